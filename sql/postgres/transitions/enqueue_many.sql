-- (none) -> AVAILABLE, or SCHEDULED when the schedule is in the future, for many jobs at once

create or replace function enqueue_many(
    queue text,
    params jsonb[],
    schedule timestamptz default null,
    max_attempts integer default null,
    priority integer default 0,
    notify text default null
)
returns setof bigint
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
declare
    v_now constant timestamptz := clock_timestamp();
begin
    perform check_array(enqueue_many.params);
    perform check_job(enqueue_many.schedule, enqueue_many.max_attempts, enqueue_many.notify);

    return query
    insert into job (queue, state, priority, schedule, max_attempts, params, notify, inserted_at, updated_at)
    select
        queue.name,
        case when enqueue_many.schedule > v_now then 'SCHEDULED' else 'AVAILABLE' end,
        coalesce(enqueue_many.priority, 0),
        coalesce(enqueue_many.schedule, v_now),
        coalesce(enqueue_many.max_attempts, queue.max_attempts),
        item.params,
        enqueue_many.notify,
        v_now,
        v_now
    from queue
    cross join unnest(enqueue_many.params) with ordinality as item (params, place)
    where queue.name = enqueue_many.queue
    order by item.place
    returning job.id;

    if not found then
        perform check_queue(enqueue_many.queue);
        perform raise_unknown_queue(enqueue_many.queue) where cardinality(enqueue_many.params) > 0;
    end if;
end
$$;

comment on function enqueue_many is
    'Puts one job per element of params into a queue, and returns their ids in the same order. The other arguments '
    'are those of enqueue and hold for every job. All or none: the first element that is not a JSON object is named '
    'by 22023, by its place from 1.';
