-- The job, as every transition returns it.

/*!80000 drop procedure if exists give_job */ //

create /*M! or replace */ procedure give_job(
    p_queue text character set utf8mb4,
    p_id bigint
)
sql security invoker
modifies sql data
comment 'Internal. Returns one job as it is now, locked, or no row.'
begin
    select
        job.queue, job.id, job.state, job.priority, job.schedule, job.expires, job.attempt, job.max_attempts,
        job.params, job.notify, job.last_error, job.inserted_at, job.updated_at
    from job
    where job.queue = p_queue and job.id = p_id
    for update;
end
