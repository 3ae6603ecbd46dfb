-- AVAILABLE -> RESERVED

/*!80000 drop procedure if exists reserve_batch */ //

create /*M! or replace */ procedure reserve_batch(
    p_queue text character set utf8mb4,
    p_demand integer,
    p_reservation_timeout decimal(30, 6)
)
sql security definer
modifies sql data
comment 'Takes up to demand AVAILABLE jobs for this caller and returns them in running order; no row: nothing can run
now, or the queue is paused. Each must be begun before it expires. reservation_timeout: in seconds; null: the queue''s
setting. Never waits for another caller''s locks. Raises JQ002, 22023.'
begin
    declare v_own, v_paused boolean;
    declare v_reservation_timeout, v_execution_timeout, v_retry_timeout decimal(30, 6);
    declare v_timeout decimal(30, 6);
    declare v_token bigint unsigned default uuid_short();
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    call check_demand(p_demand);
    call check_timeout('reservation_timeout', p_reservation_timeout);
    call queue_settings(p_queue, v_reservation_timeout, v_execution_timeout, v_retry_timeout, v_paused);
    set v_timeout = coalesce(p_reservation_timeout, v_reservation_timeout);

    -- Taken and marked in one statement. straight_join reads next first, and each job by its key: in any other order it
    -- would wait for the locks of others. Without the index, sorting would lock every job of the queue.
    if not v_paused then
        update (
            select job.id
            from job force index (job_available)
            where job.queue = p_queue and job.state = 'AVAILABLE'
            order by job.priority, job.schedule, job.id
            limit p_demand
            for update skip locked
        ) as next
        straight_join job on job.queue = p_queue and job.id = next.id
        set
            job.state = 'RESERVED',
            job.expires = utc_timestamp(6) + interval v_timeout second,
            job.token = v_token,
            job.updated_at = utc_timestamp(6);
    end if;

    call give_batch(v_token);
    call end_call(v_own, null);
end
