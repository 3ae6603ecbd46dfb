-- How long a timeout may be.

create or replace function check_timeout(
    argument text,
    value interval
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if check_timeout.value <= interval '0' or check_timeout.value > interval '30 days' then
        raise invalid_parameter_value using
            message = format(
                '%s must be more than 0 and at most 30 days, not %s', check_timeout.argument, check_timeout.value
            ),
            hint = 'null means the queue''s setting.';
    end if;
    if check_timeout.value is not null then
        perform check_signs(check_timeout.argument, check_timeout.value);
    end if;
end
$$;

comment on function check_timeout is
    'Internal. 22023 unless the value is null or between a microsecond and 30 days; argument is its name in the '
    'message.';
