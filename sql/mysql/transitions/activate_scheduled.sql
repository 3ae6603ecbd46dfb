-- SCHEDULED, RETRY -> AVAILABLE, when the schedule has come

/*!80000 drop procedure if exists activate_scheduled */ //

create /*M! or replace */ procedure activate_scheduled(
    p_queue text character set utf8mb4
)
sql security definer
modifies sql data
comment 'Half of the sweep: makes every job AVAILABLE whose schedule has come, and returns how many. queue: null: all
queues, each by itself. Workers call it; calling it more often does no harm.'
begin
    declare v_own boolean;
    declare v_queue text character set utf8mb4;
    declare v_moved, v_activated bigint default 0;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call swept_queue(p_queue, v_queue);
    while v_queue is not null do
        call begin_call(v_own);

        -- The limit is no limit: it keeps the subquery apart, which would wait for locks if it were merged.
        update (
            select job.id
            from job force index (job_due)
            where job.queue = v_queue and job.state in ('SCHEDULED', 'RETRY') and job.schedule <= utc_timestamp(6)
            limit 18446744073709551615
            for update skip locked
        ) as due
        straight_join job on job.queue = v_queue and job.id = due.id
        set
            job.state = 'AVAILABLE',
            job.updated_at = utc_timestamp(6);

        set v_moved = row_count(), v_activated = v_activated + v_moved;
        call end_call(v_own, if(v_moved > 0, v_queue, null));
        call next_queue(p_queue, v_queue);
    end while;
    select v_activated as activated;
end
