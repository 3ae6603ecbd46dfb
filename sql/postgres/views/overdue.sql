-- What the sweep should have moved by now.

create or replace view overdue as
select
    job.queue,
    job.id,
    job.state,
    job.attempt,
    job.max_attempts,
    clock_timestamp() - coalesce(job.expires, job.schedule) as late_by
from job
where (job.state in ('SCHEDULED', 'RETRY') and job.schedule <= clock_timestamp())
    or job.expires < clock_timestamp()
order by job.queue asc, late_by desc;

comment on view overdue is
    'Jobs whose schedule has come or whose lease has ended, and which no sweep has moved. Rows that stay mean that no '
    'worker of the queue is alive: start one, or call activate_scheduled() and reactivate_expired(). Or that the queue '
    'was dropped while somebody enqueued: create_queue brings it back, remove ends the job.';
comment on column overdue.late_by is 'Since its schedule came, or its lease ended.';
