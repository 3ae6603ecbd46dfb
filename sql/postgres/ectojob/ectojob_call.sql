-- The call of ectojob_job for the rows of one table.

create or replace function ectojob_call(
    queue text,
    relation regclass
)
returns text
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    return format(
        'ectojob_job(%L, old.id, old.state, old.expires, old.schedule, old.attempt, old.max_attempts, '
        'payload_params(old.params), old.notify, %s, old.inserted_at, old.updated_at)',
        ectojob_call.queue,
        case when ectojob_has_priority(ectojob_call.relation) then 'old.priority' else '0' end
    );
end
$$;

comment on function ectojob_call is
    'Internal. The text of a call for a table known as old; versions 1 and 2 have no priority, which is 0 then.';
