-- How much there is to do, per queue.
--
-- Jobs per queue and state, and the queue's settings. available grows and in_progress is 0: no worker runs, or
-- paused_at is set. oldest_available: for how many seconds the oldest AVAILABLE job could have run; null: none waits.
-- Reads every job.

create or replace sql security definer view queue_depth as
select
    queue.name as queue,
    queue.paused_at,
    count(if(job.state = 'SCHEDULED', 1, null)) as scheduled,
    count(if(job.state = 'AVAILABLE', 1, null)) as available,
    count(if(job.state = 'RESERVED', 1, null)) as reserved,
    count(if(job.state = 'IN_PROGRESS', 1, null)) as in_progress,
    count(if(job.state = 'RETRY', 1, null)) as retry,
    count(if(job.state = 'FAILED', 1, null)) as failed,
    timestampdiff(microsecond, min(if(job.state = 'AVAILABLE', job.schedule, null)), utc_timestamp(6)) / 1000000
        as oldest_available,
    queue.max_attempts,
    queue.reservation_timeout,
    queue.execution_timeout,
    queue.retry_timeout
from queue
left join job on job.queue = queue.name
group by
    queue.name,
    queue.paused_at,
    queue.max_attempts,
    queue.reservation_timeout,
    queue.execution_timeout,
    queue.retry_timeout
order by queue.name
