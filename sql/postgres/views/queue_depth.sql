-- How much there is to do, per queue.

create or replace view queue_depth as
select
    coalesce(queue.name, job.queue) as queue,
    queue.paused_at,
    count(job.id) filter (where job.state = 'SCHEDULED') as scheduled,
    count(job.id) filter (where job.state = 'AVAILABLE') as available,
    count(job.id) filter (where job.state = 'RESERVED') as reserved,
    count(job.id) filter (where job.state = 'IN_PROGRESS') as in_progress,
    count(job.id) filter (where job.state = 'RETRY') as retry,
    count(job.id) filter (where job.state = 'FAILED') as failed,
    clock_timestamp() - min(job.updated_at) filter (where job.state = 'AVAILABLE') as oldest_available,
    queue.max_attempts,
    queue.reservation_timeout,
    queue.execution_timeout,
    queue.retry_timeout,
    min(job.schedule) filter (where job.state in ('SCHEDULED', 'RETRY')) as next_due,
    clock_timestamp() - min(job.updated_at) filter (where job.state = 'IN_PROGRESS') as longest_running
from queue
full join job on job.queue = queue.name
group by queue.name, coalesce(queue.name, job.queue)
order by coalesce(queue.name, job.queue);

comment on view queue_depth is
    'Jobs per queue and state, and the queue''s settings. available grows and in_progress is 0: no worker runs, or '
    'paused_at is set. No settings: the queue was dropped while somebody enqueued, and create_queue brings it back. '
    'Reads every job.';
comment on column queue_depth.oldest_available is
    'For how long the oldest AVAILABLE job has been that; null: none is waiting.';
comment on column queue_depth.next_due is
    'When the next of the jobs that are scheduled, or to be retried, is due; null: there is none.';
comment on column queue_depth.longest_running is
    'For how long the attempt that began first has been running; null: none is.';
