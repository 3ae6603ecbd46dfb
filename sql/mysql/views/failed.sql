-- What needs a person.
--
-- Jobs that used up their attempts, latest first. Fix the cause, then requeue(queue, id); or remove(queue, id).

create or replace sql security definer view failed as
select
    job.queue,
    job.id,
    job.attempt,
    job.max_attempts,
    job.last_error,
    job.updated_at as failed_at,
    job.inserted_at
from job
where job.state = 'FAILED'
order by job.queue, job.updated_at desc
