-- How much there is to do, per queue.

create or replace view queue_depth as
select
    queue.name as queue,
    queue.paused_at,
    count(job.id) filter (where job.state = 'SCHEDULED') as scheduled,
    count(job.id) filter (where job.state = 'AVAILABLE') as available,
    count(job.id) filter (where job.state = 'RESERVED') as reserved,
    count(job.id) filter (where job.state = 'IN_PROGRESS') as in_progress,
    count(job.id) filter (where job.state = 'RETRY') as retry,
    count(job.id) filter (where job.state = 'FAILED') as failed,
    clock_timestamp() - min(job.schedule) filter (where job.state = 'AVAILABLE') as oldest_available,
    queue.max_attempts,
    queue.reservation_timeout,
    queue.execution_timeout,
    queue.retry_timeout
from queue
left join job on job.queue = queue.name
group by queue.name
order by queue.name;

comment on view queue_depth is
    'Jobs per queue and state, and the queue''s settings. available grows and in_progress is 0: no worker runs, or '
    'paused_at is set. Reads every job.';
comment on column queue_depth.oldest_available is
    'For how long the oldest AVAILABLE job could have run; null: none is waiting.';
