-- Which queues a sweep goes through.

create or replace function swept_queues(
    queue text
)
returns setof text
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if swept_queues.queue is not null then
        perform check_queue(swept_queues.queue);
    end if;

    return query
    select queue.name from queue
    where swept_queues.queue is null or queue.name = swept_queues.queue
    order by queue.name;
end
$$;

comment on function swept_queues is
    'Internal. The queue that was named, or JQ002; null: all queues.';
