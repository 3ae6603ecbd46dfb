-- Whether there may be a job that was enqueued without noticing the sleeper.

create or replace function in_flight(
    before xid8
)
returns boolean
language plpgsql
stable
parallel unsafe
security definer
set search_path from current
as $$
begin
    if in_flight.before is null then
        raise invalid_parameter_value using
            message = 'before must not be null',
            hint = 'Pass what fall_asleep returned; null was: not asleep, ask it again.';
    end if;
    return pg_snapshot_xmin(pg_current_snapshot()) < in_flight.before;
end
$$;

comment on function in_flight is
    'Whether a transaction still runs that began to write before this value was returned by fall_asleep. While it '
    'does, it may commit a job without a wake-up, so look and ask next_due now and then; when none does, once more.';
