-- Why a transition may have found no job: a bad key, or an ordinary lost race.

create or replace function check_key(
    queue text,
    id bigint,
    attempt integer default 0
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if check_key.id is null or check_key.attempt is null then
        raise invalid_parameter_value using
            message = format('%s must not be null', case when check_key.id is null then 'id' else 'attempt' end),
            hint = 'Pass queue, id and attempt as reserve_batch, claim_batch or begin_attempt returned them.';
    end if;
    perform check_queue(check_key.queue);
end
$$;

comment on function check_key is
    'Internal. Called when no job matched: 22023 for a null in the key, JQ002 for an unknown queue; returns when the '
    'key is legal, and the job has simply moved on.';
