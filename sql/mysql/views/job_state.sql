-- Where every job is.
--
-- Every job, without what it carries: params and notify are for its handler. expires: when its lease ends; null: nobody
-- holds it. last_error: why its last attempt failed; null: none did. Moments are in UTC.

create or replace sql security definer view job_state as
select
    job.queue,
    job.id,
    job.state,
    job.priority,
    job.schedule,
    job.expires,
    job.attempt,
    job.max_attempts,
    job.last_error,
    job.inserted_at,
    job.updated_at
from job
