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
    -- A year has 360 days to a comparison, by which the table judges, and 365.25 here.
    if check_timeout.value <= interval '0'
        or extract(epoch from check_timeout.value) not between 0.000001 and 30 * 24 * 60 * 60
    then
        raise invalid_parameter_value using
            message = format(
                '%s must be more than 0 and at most 30 days, not %s', check_timeout.argument, check_timeout.value
            ),
            hint = case
                when check_timeout.argument = 'lock_timeout' then 'null means 2 seconds.'
                else 'null means the queue''s setting.'
            end;
    end if;
end
$$;

comment on function check_timeout is
    'Internal. 22023 unless the value is null or between a microsecond and 30 days; argument is its name in the '
    'message.';
