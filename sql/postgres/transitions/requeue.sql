-- FAILED -> AVAILABLE

create or replace function requeue(
    queue text,
    id bigint
)
returns setof job
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
as $$
begin
    -- coalesce keeps the planner from the index of failed jobs, which looks as good as the key until an ANALYZE.
    return query
    update job set
        state = 'AVAILABLE',
        max_attempts = job.attempt + least(job.max_attempts, queue.max_attempts),
        updated_at = clock_timestamp()
    from queue
    where queue.name = job.queue
        and job.queue = requeue.queue
        and job.id = requeue.id
        and coalesce(job.state, '') = 'FAILED'
    returning job.*;

    if not found then
        perform raise_not_failed(requeue.queue, requeue.id);
    end if;
    perform wake(requeue.queue);
end
$$;

comment on function requeue is
    'Gives a FAILED job another chance: as many attempts as the queue grants, or as its max_attempts if that is fewer. '
    'attempt is never reset, max_attempts is raised, so that a forgotten holder of an old run cannot complete the new '
    'one. Raises JQ004 when the job is not FAILED.';
