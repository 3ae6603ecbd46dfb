-- IN_PROGRESS -> (deleted)

/*!80000 drop procedure if exists complete */ //

create /*M! or replace */ procedure complete(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer
)
sql security definer
modifies sql data
comment 'Ends a job that succeeded. Call it in the transaction that holds the handler''s writes, and roll back when it
raises JQ001: someone else has the job by now.'
begin
    declare v_id bigint;

    if @ectojob_own then
        call check_unfinished();
    end if;
    if @@global.read_only not in ('0', 'OFF') then
        call raise_read_only();
    end if;
    delete job from job force index (primary)
    where job.queue = p_queue
        and job.id = p_id
        and job.attempt = p_attempt
        and job.state = 'IN_PROGRESS';

    if row_count() = 0 then
        -- MariaDB goes on after a DELETE that KILL QUERY interrupted: nothing is deleted, and the job still held.
        select job.id into v_id from job
        where job.queue = p_queue and job.id = p_id and job.attempt = p_attempt and job.state = 'IN_PROGRESS'
        for update;
        if v_id is null then
            call raise_lease_lost(p_queue, p_id, p_attempt);
        end if;
        signal sqlstate '70100' set mysql_errno = 1317, message_text = 'Query execution was interrupted';
    end if;
end
