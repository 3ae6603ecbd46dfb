-- Sleeps until a job of the queue can run; wake ends it.

/*!80000 drop procedure if exists wait_for_job */ //

create /*M! or replace */ procedure wait_for_job(
    p_queue text character set utf8mb4,
    p_seconds decimal(30, 6)
)
sql security definer
reads sql data
comment 'Returns at once when a job of the queue can run; otherwise sleeps for so many seconds, or until wake
interrupts it with error 1317, which means the same as returning: look for jobs. For a connection that does nothing
else, under autocommit: a wake-up may come too late, and end its next statement. It has one of 16 places until it
returns; a waiter without one is not woken and polls. Raises JQ002, 22023.'
begin
    declare v_place integer default 1;
    declare v_name varchar(64) character set utf8mb4;
    declare v_queue varchar(48) character set utf8mb4;

    if p_seconds is null or p_seconds < 0 then
        call raise_invalid(
            concat('seconds must be 0 or more, not ', coalesce(p_seconds, 'null')),
            'It is how long to sleep, at most.'
        );
    end if;
    call check_queue(p_queue);
    set v_queue = p_queue;
    take_place: while v_place <= 32 do
        call waiter_lock(p_queue, 1 + (v_place - 1) % 16, v_name);
        -- Whoever was interrupted has its place still, so all are asked for that before the first is taken.
        if is_used_lock(v_name) = connection_id() or (v_place > 16 and get_lock(v_name, 0)) then
            leave take_place;
        end if;
        set v_place = v_place + 1;
    end while;

    -- In one statement, so that a wake-up either finds it asleep or the job was there when it looked. min() reads one
    -- end of an index, see next_due; for exists the servers choose the primary key, and read every job of the queue.
    select if(
        (select min(job.priority) from job where job.queue = v_queue and job.state = 'AVAILABLE') is not null
        and exists (select 1 from queue where queue.name = v_queue and queue.paused_at is null),
        1,
        sleep(p_seconds)
    ) as look;
    do release_lock(v_name);  -- does nothing to the place of another
end
