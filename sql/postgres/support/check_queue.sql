-- A queue that is named must exist.

create or replace function check_queue(
    queue text
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if not exists (select from queue where queue.name = check_queue.queue) then
        perform raise_unknown_queue(check_queue.queue);
    end if;
end
$$;

comment on function check_queue is
    'Internal. JQ002 when there is no such queue, 22023 when the name is null.';
