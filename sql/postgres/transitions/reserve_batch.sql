-- AVAILABLE -> RESERVED

create or replace function reserve_batch(
    queue text,
    demand integer,
    reservation_timeout interval default null,
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
    perform check_demand(reserve_batch.demand);
    perform check_timeout('reservation_timeout', reserve_batch.reservation_timeout);
    v_queue := queue_settings(reserve_batch.queue);
    v_rows := lock_available(
        v_queue, reserve_batch.demand,
        reserve_batch.after_priority, reserve_batch.after_schedule, reserve_batch.after_id
    );

    return query
    with reserved as (
        update job set
            state = 'RESERVED',
            expires = clock_timestamp() + interval '1 second'
                * date_part('epoch', coalesce(reserve_batch.reservation_timeout, v_queue.reservation_timeout)),
            updated_at = clock_timestamp()
        where job.ctid = any(v_rows)
        returning job.*
    )
    select * from reserved
    order by reserved.priority, reserved.schedule, reserved.id;
end
$$;

comment on function reserve_batch is
    'Takes up to demand AVAILABLE jobs for this caller and returns them in running order; no row: nothing can run '
    'now, or the queue is paused. Each must be begun before it expires. reservation_timeout: null: the queue''s '
    'setting. after_...: as for claim_batch. Never waits for another caller''s locks. Raises JQ002, 22023.';
