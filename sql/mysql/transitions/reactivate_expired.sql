-- RESERVED, IN_PROGRESS -> AVAILABLE, or FAILED when no attempt is left, when the lease has ended

/*!80000 drop procedure if exists reactivate_expired */ //

create /*M! or replace */ procedure reactivate_expired(
    p_queue text character set utf8mb4
)
sql security definer
modifies sql data
comment 'Half of the sweep: takes every job back whose lease has ended, and returns how many. They are AVAILABLE again,
or FAILED when no attempt is left. queue: null: all queues, each by itself. Workers call it; calling it more often does
no harm.'
begin
    declare v_own boolean;
    declare v_queue text character set utf8mb4;
    declare v_moved, v_reactivated bigint default 0;
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

        -- A wasted reservation counts as an attempt: a job that kills its worker before it begins must end, too.
        -- The limit is no limit: it keeps the subquery apart, which would wait for locks if it were merged.
        update (
            select
                job.id,
                job.attempt + (job.state = 'RESERVED') as attempt,
                if(
                    job.state = 'RESERVED',
                    'the reservation expired before the job began',
                    concat('attempt ', job.attempt, ' outlived its lease')
                ) as last_error
            from job force index (job_held)
            where job.queue = v_queue and job.state in ('RESERVED', 'IN_PROGRESS') and job.expires < utc_timestamp(6)
            limit 18446744073709551615
            for update skip locked
        ) as expired
        straight_join job on job.queue = v_queue and job.id = expired.id
        set
            job.state = if(expired.attempt < job.max_attempts, 'AVAILABLE', 'FAILED'),
            job.attempt = expired.attempt,
            job.expires = null,
            job.token = null,
            job.last_error = expired.last_error,
            job.updated_at = utc_timestamp(6);

        set v_moved = row_count(), v_reactivated = v_reactivated + v_moved;
        call end_call(v_own, if(v_moved > 0, v_queue, null));
        call next_queue(p_queue, v_queue);
    end while;
    select v_reactivated as reactivated;
end
