-- What complete_batch takes: two arrays of the same length.

create or replace function check_batch(
    ids bigint[],
    attempts integer[]
)
returns void
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    if cardinality(check_batch.ids) is distinct from cardinality(check_batch.attempts) or check_batch.ids is null then
        raise invalid_parameter_value using
            message = 'ids and attempts must be two arrays of the same length',
            hint = 'attempts[n] is the attempt by which ids[n] was claimed.';
    end if;
end
$$;

comment on function check_batch is
    'Internal. 22023 unless both are arrays, and equally long.';
