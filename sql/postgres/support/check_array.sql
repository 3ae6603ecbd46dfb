-- What enqueue_many takes: an array of JSON objects.

create or replace function check_array(
    params jsonb[]
)
returns void
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
declare
    v_place bigint;
begin
    if check_array.params is null then
        raise invalid_parameter_value using
            message = 'params must not be null',
            hint = 'Pass an array of JSON objects; an empty array enqueues nothing.';
    end if;

    select min(item.place) into v_place
    from unnest(check_array.params) with ordinality as item (params, place)
    where jsonb_typeof(item.params) is distinct from 'object';
    if v_place is not null then
        raise invalid_parameter_value using
            message = format('element %s of params must be a JSON object', v_place),
            hint = 'Wrap the value, for example jsonb_build_object(''value'', ...).';
    end if;
end
$$;

comment on function check_array is
    'Internal. 22023 unless params is an array, and each of its elements a JSON object. It names the first that is '
    'not.';
