-- SCHEDULED, RETRY -> AVAILABLE, when the schedule has come

create or replace function activate_scheduled(
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
    v_activated bigint := 0;
begin
    for v_queue in select swept_queues(activate_scheduled.queue) loop
        v_rows := array(
            select job.ctid
            from job
            where job.queue = v_queue and job.state in ('SCHEDULED', 'RETRY') and job.schedule <= v_now
            order by job.schedule  -- that of job_due
            for update skip locked
        );
        continue when v_rows = '{}';

        update job set
            state = 'AVAILABLE',
            updated_at = clock_timestamp()
        where job.ctid = any(v_rows);

        perform wake(v_queue);
        v_activated := v_activated + cardinality(v_rows);
    end loop;
    return v_activated;
end
$$;

comment on function activate_scheduled is
    'Half of the sweep: makes every job AVAILABLE whose schedule has come, and returns how many. queue: null: all '
    'queues. Workers call it; calling it more often does no harm.';
