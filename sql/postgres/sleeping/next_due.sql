-- When the sweep has work next.

create or replace function next_due(
    queue text
)
returns timestamptz
language plpgsql
stable
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
as $$
declare
    v_due timestamptz;
begin
    v_due := least(
        (select min(job.schedule) from job where job.queue = next_due.queue and job.state in ('SCHEDULED', 'RETRY')),
        (select min(job.expires) from job where job.queue = next_due.queue and job.expires is not null)
    );

    if v_due is null then
        perform check_queue(next_due.queue);
    end if;

    -- A worker of 0.1 asks this before it sleeps, and knows no fall_asleep: wake it as long as it is there. Until 0.3.
    if is_former_worker(next_due.queue) then
        perform pg_try_advisory_lock_shared('job'::regclass::oid::integer, hashtext(next_due.queue));
    end if;
    return v_due;
end
$$;

comment on function next_due is
    'The moment at which activate_scheduled or reactivate_expired has work next, so that a worker can sleep exactly '
    'that long; null: nothing waits and nothing is held. Raises JQ002.';
