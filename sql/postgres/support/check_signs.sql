-- Which intervals are as long as they look.

create or replace function check_signs(
    argument text,
    value interval
)
returns void
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    -- '1 month -30 days' is 0 to a comparison, and a day more or two less in the calendar.
    if extract(year from check_signs.value) * 12 + extract(month from check_signs.value) <> 0
        and least(
            extract(year from check_signs.value), extract(month from check_signs.value),
            extract(day from check_signs.value), extract(hour from check_signs.value),
            extract(minute from check_signs.value), extract(second from check_signs.value)
        ) < 0
    then
        raise invalid_parameter_value using
            message = format('%s must not take days from months, as in %s', check_signs.argument, check_signs.value),
            hint = 'A month has 28 to 31 days: say how many days.';
    end if;
end
$$;

comment on function check_signs is
    'Internal. 22023 when the interval has months and something below 0; argument is its name in the message.';
