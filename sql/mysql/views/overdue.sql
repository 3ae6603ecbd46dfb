-- What the sweep should have moved by now.
--
-- Jobs whose schedule has come or whose lease has ended, late_by seconds ago, and which no sweep has moved. Rows that
-- stay mean that no worker of the queue is alive: start one, or call activate_scheduled(null) and
-- reactivate_expired(null).

create or replace sql security definer view overdue as
select
    job.queue,
    job.id,
    job.state,
    job.attempt,
    job.max_attempts,
    timestampdiff(microsecond, coalesce(job.expires, job.schedule), utc_timestamp(6)) / 1000000 as late_by
from job
where (job.state in ('SCHEDULED', 'RETRY') and job.schedule <= utc_timestamp(6))
    or (job.state in ('RESERVED', 'IN_PROGRESS') and job.expires < utc_timestamp(6))
order by job.queue, late_by desc
