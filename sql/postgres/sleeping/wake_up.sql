-- A worker that has work asks for no more wake-ups.

create or replace function wake_up(
    queue text
)
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    if wake_up.queue is null then
        perform raise_unknown_queue(null);
    end if;
    perform pg_advisory_unlock_shared('job'::regclass::oid::integer, hashtext(wake_up.queue));
end
$$;

comment on function wake_up is
    'Ends what fall_asleep began, once: this session needs no wake-ups of the queue, so that enqueuers need not send '
    'any. Warns when it was not asleep.';
