-- How long a failed job may be told to wait.

create or replace function check_retry_in(
    retry_in interval
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if extract(epoch from check_retry_in.retry_in) not between 0 and 3650 * 24 * 60 * 60 then
        raise invalid_parameter_value using
            message = format('retry_in must be between 0 and 3650 days, not %s', check_retry_in.retry_in),
            hint = 'null means the queue''s retry_timeout times the attempt.';
    end if;
end
$$;

comment on function check_retry_in is
    'Internal. 22023 unless retry_in is null or between 0 and 3,650 days.';
