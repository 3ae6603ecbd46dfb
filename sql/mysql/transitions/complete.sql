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
    if @ectojob_own then
        call check_unfinished();
    end if;
    delete from job
    where job.queue = p_queue
        and job.id = p_id
        and job.attempt = p_attempt
        and job.state = 'IN_PROGRESS';

    if row_count() = 0 then
        call raise_lease_lost(p_queue, p_id, p_attempt);
    end if;
end
