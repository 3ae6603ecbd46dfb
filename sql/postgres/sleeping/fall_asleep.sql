-- A worker that found nothing to do asks to be woken.

create or replace function fall_asleep(
    queue text
)
returns xid8
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    perform check_queue(fall_asleep.queue);

    if not pg_try_advisory_lock_shared('job'::regclass::oid::integer, hashtext(fall_asleep.queue)) then
        return null;
    end if;

    -- An xid of our own: pg_snapshot_xmax would leave out transactions newer than the last completed one, which may
    -- still run.
    return pg_current_xact_id();
end
$$;

comment on function fall_asleep is
    'Asks for wake-ups: from now on, until wake_up or the end of this session, whatever makes a job of the queue '
    'AVAILABLE notifies channel <schema>.<queue>, and what is SCHEDULED or to be retried <schema>.<queue>.scheduled; '
    'while nobody sleeps, nothing does. Listen first, call this outside a transaction, and afterwards look once more '
    'and ask next_due. A transaction that was in flight may not have seen the sleeper: do both now and then while '
    'in_flight says so of the value returned. null: not asleep, someone_sleeps was in the way for a moment; ask again '
    'soon. Raises JQ002.';
