-- params must be a JSON object.

create or replace function check_params(
    params jsonb
)
returns void
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    if jsonb_typeof(check_params.params) is distinct from 'object' then
        raise invalid_parameter_value using
            message = format(
                'params must be a JSON object, not %s', coalesce(jsonb_typeof(check_params.params), 'null')
            ),
            hint = 'Wrap the value, for example jsonb_build_object(''value'', ...).';
    end if;
end
$$;

comment on function check_params is
    'Internal. 22023 unless params is a JSON object.';
