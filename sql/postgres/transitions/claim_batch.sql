-- AVAILABLE -> IN_PROGRESS: reserve and begin in one statement, for a worker that has free hands

create or replace function claim_batch(
    queue text,
    demand integer,
    execution_timeout interval default null,
    after_priority integer default null,
    after_schedule timestamptz default null,
    after_id bigint default null
)
returns setof job
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_queue queue;
    v_rows tid[];
begin
    perform check_demand(claim_batch.demand);
    perform check_timeout('execution_timeout', claim_batch.execution_timeout);
    v_queue := queue_settings(claim_batch.queue);
    v_rows := lock_available(
        v_queue, claim_batch.demand, claim_batch.after_priority, claim_batch.after_schedule, claim_batch.after_id
    );

    return query
    with claimed as (
        update job set
            state = 'IN_PROGRESS',
            attempt = job.attempt + 1,
            expires = clock_timestamp() + interval '1 second' * (job.attempt + 1)
                * date_part('epoch', coalesce(claim_batch.execution_timeout, v_queue.execution_timeout)),
            updated_at = clock_timestamp()
        where job.ctid = any(v_rows)
        returning job.*
    )
    select * from claimed
    order by claimed.priority, claimed.schedule, claimed.id;
end
$$;

comment on function claim_batch is
    'Takes up to demand AVAILABLE jobs and begins them at once; returns them in running order, with the attempt to '
    'complete or fail them by. execution_timeout: the lease of a first attempt; null: the queue''s setting. '
    'after_...: priority, schedule and id of the job claimed last, to pass over what is gone before it; null: look at '
    'all. Do so at least once a second, for what is more urgent or came late. No row: nothing can run now, or the '
    'queue is paused. Raises JQ002, 22023.';
