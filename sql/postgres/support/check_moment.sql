-- When a moment may be.

create or replace function check_moment(
    argument text,
    value timestamptz
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if check_moment.value < '1000-01-01 00:00:00+00' or check_moment.value >= '9999-01-01 00:00:00+00' then
        raise invalid_parameter_value using
            message = format('%s %s is out of range', check_moment.argument, check_moment.value),
            hint = 'Pass a moment between the years 1000 and 9998.';
    end if;
end
$$;

comment on function check_moment is
    'Internal. 22023 unless the value is null or a moment that every client can load; argument is its name in the '
    'message.';
