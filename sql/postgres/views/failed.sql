-- What needs a person.

create or replace view failed as
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
order by job.queue asc, job.updated_at desc;

comment on view failed is
    'Jobs that used up their attempts, latest first. Fix the cause, then requeue(queue, id); or remove(queue, id).';
comment on column failed.last_error is 'Why the last attempt failed.';
comment on column failed.failed_at is 'When it failed for good.';
