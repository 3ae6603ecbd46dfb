-- The turn of job and the views to be locked: job for the triggers, or all of it for migrations, which psql tells.
--
-- All or none, and none while it waits: whoever has one of them and comes for another would deadlock. It asks for a
-- moment at a time, as others queue up behind it, and for lock_timeout in all. The views for even less, as by then it
-- has job.
--
-- A view is locked by resetting an option: LOCK TABLE would lock the tables that it reads, too, against everybody. That
-- takes away no option of yours which would have stayed: create or replace view, which follows, resets them all.

do $$
declare
    v_timeout constant text := coalesce(nullif(current_setting('lock_timeout'), '0'), '5s');
    v_until constant timestamptz := clock_timestamp() + v_timeout::interval;
begin
    loop
        begin
            perform set_config('lock_timeout', '50ms', true);
            if current_setting('ectojob.migrating', true) = 'on' then
                lock table job in access exclusive mode;
            else
                lock table job in share row exclusive mode;
            end if;
            perform set_config('lock_timeout', '5ms', true);
            alter view if exists queue_depth reset (security_barrier);
            alter view if exists job_state reset (security_barrier);
            alter view if exists running reset (security_barrier);
            alter view if exists overdue reset (security_barrier);
            alter view if exists failed reset (security_barrier);
            exit;
        exception
            when lock_not_available or deadlock_detected then
                if clock_timestamp() > v_until then
                    raise lock_not_available using
                        message = format(
                            'a transaction has written jobs of schema %I, or read a view of it, and is still open',
                            current_schema()
                        ),
                        hint = 'Try again when it has ended; pg_locks says which it is. lock_timeout is how long a '
                            'deploy waits.';
                end if;
                perform pg_sleep(0.05);
        end;
    end loop;
    perform set_config('lock_timeout', v_timeout, true);
end
$$;
