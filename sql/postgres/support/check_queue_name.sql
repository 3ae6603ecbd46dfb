-- Which names the notification channels can carry.

create or replace function check_queue_name(
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
    if check_queue_name.queue is null then
        perform raise_unknown_queue(null);
    end if;
    if octet_length(current_schema() || '.' || check_queue_name.queue || '.completed') > 63 then
        raise invalid_parameter_value using
            message = format('queue name %s is too long', quote_literal(left(check_queue_name.queue, 63))),
            hint = format(
                'In schema %s a queue name may have %s bytes, so that its notification channels have at most 63.',
                current_schema(), 63 - octet_length(current_schema() || '..completed')
            );
    end if;
end
$$;

comment on function check_queue_name is
    'Internal. 22023 for a null name, and for one that is too long for the notification channels of this schema.';
