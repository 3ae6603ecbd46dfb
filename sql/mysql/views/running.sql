-- Who holds what.
--
-- Jobs that a worker holds: RESERVED, or IN_PROGRESS with its handler running. held_for and lease_left are in seconds;
-- held_for goes on when a lease is extended; lease_left is negative when its worker is gone, and the next sweep takes
-- the job back.

create or replace sql security definer view running as
select
    job.queue,
    job.id,
    job.state,
    job.attempt,
    job.max_attempts,
    timestampdiff(microsecond, job.updated_at, utc_timestamp(6)) / 1000000 as held_for,
    timestampdiff(microsecond, utc_timestamp(6), job.expires) / 1000000 as lease_left
from job
where job.state in ('RESERVED', 'IN_PROGRESS')
order by job.queue, job.expires
