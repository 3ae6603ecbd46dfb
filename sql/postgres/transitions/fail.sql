-- IN_PROGRESS -> RETRY, or FAILED when no attempt is left

create or replace function fail(
    queue text,
    id bigint,
    attempt integer,
    error text default null,
    retry_in interval default null
)
returns setof job
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
as $$
declare
    v_job job;
begin
    perform check_retry_in(fail.retry_in);

    update job set
        state = case when job.attempt < job.max_attempts then 'RETRY' else 'FAILED' end,
        schedule = case
            when job.attempt < job.max_attempts
                then clock_timestamp() + interval '1 second' * coalesce(
                    date_part('epoch', fail.retry_in), date_part('epoch', queue.retry_timeout) * job.attempt
                )
            else job.schedule
        end,
        expires = null,
        last_error = left(fail.error, 10000),
        updated_at = clock_timestamp()
    from queue
    where queue.name = job.queue
        and job.queue = fail.queue
        and job.id = fail.id
        and job.attempt = fail.attempt
        and job.state = 'IN_PROGRESS'
    returning job.* into v_job;

    if not found then
        perform check_key(fail.queue, fail.id, fail.attempt);
        return;
    end if;
    perform announce(v_job.queue, lower(v_job.state), v_job.notify);
    if v_job.state = 'RETRY' then
        perform tell_scheduled(v_job.queue, v_job.schedule);
    end if;
    return next v_job;
end
$$;

comment on function fail is
    'Ends an attempt that failed. error: kept in last_error, its first 10,000 characters. retry_in: the wait before '
    'the next attempt; null: the queue''s retry_timeout times the attempt. No row: someone else has the job by now, '
    'nothing changed.';
