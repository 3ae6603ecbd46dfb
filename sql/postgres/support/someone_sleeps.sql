-- Whether a wake-up would reach anybody.

create or replace function someone_sleeps(
    queue text
)
returns boolean
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    -- Sleepers share a lock, so that whoever gets it alone, for a moment, knows that there are none. A row per sleeper
    -- would be looked up by every enqueue, through all its dead versions. When two ask at once, one is told yes.
    return not (
        pg_try_advisory_lock('job'::regclass::oid::integer, hashtext(someone_sleeps.queue))
        and pg_advisory_unlock('job'::regclass::oid::integer, hashtext(someone_sleeps.queue))
    );
end
$$;

comment on function someone_sleeps is
    'Internal. Whether a session that called fall_asleep for this queue still sleeps. May say true when '
    'nobody does, never the reverse.';
