-- How much there is to do, per queue.
--
-- Jobs per queue and state, and the queue's settings. available grows and in_progress is 0: no worker runs, or
-- paused_at is set. oldest_available: for how many seconds the oldest AVAILABLE job has been that; null: none waits.
-- next_due: when the next SCHEDULED or RETRY job may run. longest_running: for how many seconds the oldest attempt has
-- run. A queue without settings was dropped, and jobs came after: they run when it is created again. Reads every job.

create or replace sql security definer view queue_depth as
select
    known.name as queue,
    queue.paused_at,
    count(if(job.state = 'SCHEDULED', 1, null)) as scheduled,
    count(if(job.state = 'AVAILABLE', 1, null)) as available,
    count(if(job.state = 'RESERVED', 1, null)) as reserved,
    count(if(job.state = 'IN_PROGRESS', 1, null)) as in_progress,
    count(if(job.state = 'RETRY', 1, null)) as retry,
    count(if(job.state = 'FAILED', 1, null)) as failed,
    timestampdiff(microsecond, min(if(job.state = 'AVAILABLE', job.updated_at, null)), utc_timestamp(6)) / 1000000
        as oldest_available,
    queue.max_attempts,
    queue.reservation_timeout,
    queue.execution_timeout,
    queue.retry_timeout,
    min(if(job.state in ('SCHEDULED', 'RETRY'), job.schedule, null)) as next_due,
    timestampdiff(microsecond, min(if(job.state = 'IN_PROGRESS', job.updated_at, null)), utc_timestamp(6)) / 1000000
        as longest_running
from (
    select queue.name from queue
    union
    select distinct job.queue from job
) as known
left join queue on queue.name = known.name
left join job on job.queue = known.name
group by
    known.name,
    queue.paused_at,
    queue.max_attempts,
    queue.reservation_timeout,
    queue.execution_timeout,
    queue.retry_timeout
order by known.name
