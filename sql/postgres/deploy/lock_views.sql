-- The views' turn to be locked: before the tables, as those who read them do, or the two would deadlock.

do $$
begin
    perform set_config('lock_timeout', '5s', true) where current_setting('lock_timeout') = '0';
    alter view if exists queue_depth reset (security_barrier);
    alter view if exists job_state reset (security_barrier);
    alter view if exists running reset (security_barrier);
    alter view if exists overdue reset (security_barrier);
    alter view if exists failed reset (security_barrier);
exception
    when lock_not_available then
        raise lock_not_available using
            message = format('a transaction has read a view of schema %I, and is still open', current_schema()),
            hint = 'Try again when it has ended; pg_locks says which it is. lock_timeout is how long a deploy waits.';
end
$$;
