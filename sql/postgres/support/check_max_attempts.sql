-- How many attempts a job may be granted.

create or replace function check_max_attempts(
    max_attempts integer
)
returns void
language plpgsql
immutable
parallel safe
security invoker
set search_path from current
as $$
begin
    if check_max_attempts.max_attempts not between 1 and 10000 then
        raise invalid_parameter_value using
            message = format('max_attempts must be between 1 and 10000, not %s', check_max_attempts.max_attempts),
            hint = 'null means the queue''s setting.';
    end if;
end
$$;

comment on function check_max_attempts is
    'Internal. 22023 unless max_attempts is null or between 1 and 10,000.';
