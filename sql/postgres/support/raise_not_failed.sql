-- JQ004, job is not FAILED.

create or replace function raise_not_failed(
    queue text,
    id bigint
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform check_key(raise_not_failed.queue, raise_not_failed.id);
    raise exception using
        errcode = 'JQ004',
        message = format(
            'job %s in queue %s is not FAILED', raise_not_failed.id, quote_literal(raise_not_failed.queue)
        ),
        hint = format(
            'select state from %I.job_state where queue = %L and id = %s shows what it is; no row: it was completed '
            'or removed.', current_schema(), raise_not_failed.queue, raise_not_failed.id
        );
end
$$;

comment on function raise_not_failed is
    'Internal. Always raises: JQ004, or what check_key has to say of the key.';
