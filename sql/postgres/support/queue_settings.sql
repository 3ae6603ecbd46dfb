-- What the transitions ask of a queue.

create or replace function queue_settings(
    queue text
)
returns queue
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_queue queue;
begin
    select * into v_queue from queue where queue.name = queue_settings.queue;

    if not found then
        perform raise_unknown_queue(queue_settings.queue);
    end if;
    return v_queue;
end
$$;

comment on function queue_settings is
    'Internal. The queue''s row, or JQ002.';
