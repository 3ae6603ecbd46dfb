-- The jobs that a call has taken, in running order.

/*!80000 drop procedure if exists give_batch */ //

create /*M! or replace */ procedure give_batch(
    p_token bigint unsigned
)
sql security invoker
reads sql data
comment 'Internal. Returns the jobs that bear the token.'
begin
    select
        job.queue, job.id, job.state, job.priority, job.schedule, job.expires, job.attempt, job.max_attempts,
        job.params, job.notify, job.last_error, job.inserted_at, job.updated_at
    from job
    where job.token = p_token
    order by job.priority, job.schedule, job.id;
end
