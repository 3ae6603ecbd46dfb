-- RESERVED, IN_PROGRESS -> AVAILABLE, or FAILED when no attempt is left, when the lease has ended

create or replace function reactivate_expired(
    queue text default null
)
returns bigint
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
set enable_sort = off
as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_queue text;
    v_rows tid[];
    v_job job;
    v_reactivated bigint := 0;
begin
    for v_queue in select swept_queues(reactivate_expired.queue) loop
        v_rows := array(
            select job.ctid from job
            where job.queue = v_queue and job.expires < v_now
            order by job.expires for update skip locked  -- the order is that of job_held
        );

        -- A wasted reservation counts as an attempt: a job that kills its worker before it begins must end, too.
        for v_job in
            update job set
                state = case
                    when job.attempt + (job.state = 'RESERVED')::integer < job.max_attempts then 'AVAILABLE'
                    else 'FAILED'
                end,
                attempt = job.attempt + (job.state = 'RESERVED')::integer,
                expires = null,
                last_error = case job.state
                    when 'RESERVED' then 'the reservation expired before the job began'
                    else format('attempt %s outlived its lease', job.attempt)
                end,
                updated_at = clock_timestamp()
            where job.ctid = any(v_rows)
            returning job.*
        loop
            if v_job.state = 'FAILED' then
                perform announce(v_queue, 'failed', v_job.notify);
            else
                perform wake(v_queue);
            end if;
        end loop;
        v_reactivated := v_reactivated + cardinality(v_rows);
    end loop;
    return v_reactivated;
end
$$;

comment on function reactivate_expired is
    'Half of the sweep: takes every job back whose lease has ended, and returns how many. They are AVAILABLE again, '
    'or FAILED when no attempt is left. queue: null: all queues. Workers call it; calling it more often does no harm.';
