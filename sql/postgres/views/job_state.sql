-- Where every job is.

create or replace view job_state as
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
from job;

comment on view job_state is 'Every job, without what it carries: params and notify are for its handler.';
comment on column job_state.expires is 'When its lease ends; null: nobody holds it.';
comment on column job_state.last_error is 'Why its last attempt failed; null: none did.';
