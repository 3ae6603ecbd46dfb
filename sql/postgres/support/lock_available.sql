-- The order in which jobs run, and who may have them.

create or replace function lock_available(
    queue queue,
    demand integer,
    after_priority integer default null,  -- defaults: as the callers of 0.1 call it, see former_functions.sql
    after_schedule timestamptz default null,
    after_id bigint default null
)
returns tid[]
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
set enable_seqscan = off
set enable_sort = off
set plan_cache_mode = force_generic_plan
as $$
begin
    if (lock_available.queue).paused_at is not null then
        return '{}';
    end if;

    -- Row addresses in an array, used by a second statement: a join or an IN over the locking query may run it more
    -- than once and then takes far more than demand. The locks keep the addresses true until the transaction ends.
    return array(
        select job.ctid
        from job
        where job.queue = (lock_available.queue).name
            and job.state = 'AVAILABLE'
            and (job.priority, job.schedule, job.id) > (
                coalesce(lock_available.after_priority, -2147483648),
                coalesce(lock_available.after_schedule, '-infinity'),
                coalesce(lock_available.after_id, 0)
            )
        order by job.priority, job.schedule, job.id
        limit lock_available.demand
        for update skip locked
    );
end
$$;

comment on function lock_available is
    'Internal. Locks up to demand AVAILABLE jobs of a queue, in running order, passing over those that others have '
    'locked; returns their row addresses, which hold until the transaction ends. None while the queue is paused. '
    'after_...: only jobs that run after the one with this key; null: all.';
