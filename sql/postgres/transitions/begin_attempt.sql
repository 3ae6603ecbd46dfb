-- RESERVED -> IN_PROGRESS

create or replace function begin_attempt(
    queue text,
    id bigint,
    attempt integer
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
    return query
    update job set
        state = 'IN_PROGRESS',
        attempt = job.attempt + 1,
        expires = clock_timestamp()
            + interval '1 second' * (job.attempt + 1) * date_part('epoch', queue.execution_timeout),
        updated_at = clock_timestamp()
    from queue
    where queue.name = job.queue
        and job.queue = begin_attempt.queue
        and job.id = begin_attempt.id
        and job.attempt = begin_attempt.attempt
        and job.state = 'RESERVED'
        and coalesce(job.expires, '-infinity') >= clock_timestamp()  -- not by the index of expires, but by the key
    returning job.*;

    if not found then
        perform check_key(begin_attempt.queue, begin_attempt.id, begin_attempt.attempt);
    end if;
end
$$;

comment on function begin_attempt is
    'Begins a reserved job: counts the attempt before the handler runs, so that a job which kills its worker is '
    'bounded by max_attempts. attempt: as reserved; the row returned has the new one. No row: the reservation is '
    'gone, leave the job alone.';
