-- (none) -> AVAILABLE, or SCHEDULED when the schedule is in the future

create or replace function enqueue(
    queue text,
    params jsonb default '{}',
    schedule timestamptz default null,
    max_attempts integer default null,
    priority integer default 0,
    notify text default null
)
returns bigint
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
declare
    v_now constant timestamptz := clock_timestamp();
    v_id bigint;
begin
    if jsonb_typeof(enqueue.params) is distinct from 'object'
        or num_nonnulls(enqueue.schedule, enqueue.max_attempts, enqueue.notify) > 0
    then
        perform check_params(enqueue.params);
        perform check_job(enqueue.schedule, enqueue.max_attempts, enqueue.notify);
    end if;

    insert into job (queue, state, priority, schedule, max_attempts, params, notify, inserted_at, updated_at)
    select
        queue.name,
        case when enqueue.schedule > v_now then 'SCHEDULED' else 'AVAILABLE' end,
        coalesce(enqueue.priority, 0),
        coalesce(enqueue.schedule, v_now),
        coalesce(enqueue.max_attempts, queue.max_attempts),
        enqueue.params,
        enqueue.notify,
        v_now,
        v_now
    from queue
    where queue.name = enqueue.queue
    returning job.id into v_id;

    if not found then
        perform raise_unknown_queue(enqueue.queue);
    end if;
    return v_id;
end
$$;

comment on function enqueue is
    'Puts a job into a queue, in your own transaction, and returns its id. params: a JSON object. schedule: not '
    'before this moment; null: now. max_attempts: null: the queue''s setting. priority: lower runs first. notify: '
    'text to send when the job ends or fails; null: none. Raises JQ002 for an unknown queue, 22023 for a bad '
    'argument.';
