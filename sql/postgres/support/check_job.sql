-- What enqueue and enqueue_many ask of their optional arguments.

create or replace function check_job(
    schedule timestamptz,
    max_attempts integer,
    notify text
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform check_max_attempts(check_job.max_attempts) where check_job.max_attempts is not null;
    perform check_moment('schedule', check_job.schedule) where check_job.schedule is not null;
    if octet_length(check_job.notify) > 7999 then
        raise invalid_parameter_value using
            message = format('notify is %s bytes long', octet_length(check_job.notify)),
            hint = 'NOTIFY carries 7999 bytes at most: send a key, and keep the data in a table.';
    end if;
end
$$;

comment on function check_job is
    'Internal. 22023 for a schedule, max_attempts or notify that cannot be stored; null is always legal.';
