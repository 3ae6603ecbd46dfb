-- Who holds what.

create or replace view running as
select
    job.queue,
    job.id,
    job.state,
    job.attempt,
    job.max_attempts,
    clock_timestamp() - job.updated_at as held_for,
    job.expires - clock_timestamp() as lease_left
from job
where job.expires is not null
order by job.queue, job.expires;

comment on view running is 'Jobs that a worker holds: RESERVED, or IN_PROGRESS with its handler running.';
comment on column running.held_for is 'Since it was reserved, or its attempt began.';
comment on column running.lease_left is
    'Until others may have it; negative: its worker is gone, and the next sweep takes the job back.';
