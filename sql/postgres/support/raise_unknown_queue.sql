-- JQ002, unknown queue.

create or replace function raise_unknown_queue(
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
    if raise_unknown_queue.queue is null then
        raise invalid_parameter_value using
            message = 'queue must not be null',
            hint = format(
                'Pass a queue''s name; select queue from %I.queue_depth lists them, for whoever may read the views.',
                current_schema()
            );
    end if;
    raise exception using
        errcode = 'JQ002',
        message = format('unknown queue %s', quote_literal(left(raise_unknown_queue.queue, 63))),
        hint = format('Create it: select %I.create_queue(%L).', current_schema(), left(raise_unknown_queue.queue, 63));
end
$$;

comment on function raise_unknown_queue is
    'Internal. Always raises: JQ002, or 22023 when the name is null.';
