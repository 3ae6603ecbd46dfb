-- Locks job and the views for this deploy: job against writers, for the triggers; or against everybody, for migrations
-- and roles, which set ectojob.migrating.
--
-- All or none, and none while it waits: whoever has one of them and comes for another would deadlock. It asks for a
-- moment at a time, as others queue up behind it, and for lock_timeout in all. The views for even less, as by then it
-- has job. Autovacuum gives way, but only to who has waited for deadlock_timeout, so where it is all that stands in the
-- way, the moment is that long.
--
-- A view is locked by resetting an option: LOCK TABLE would lock the tables that it reads, too, against everybody. That
-- takes away no option of yours which would have stayed: create or replace view, which follows, resets them all.

do $$
declare
    v_migrating constant boolean := coalesce(current_setting('ectojob.migrating', true), '') = 'on';
    v_timeout constant text := coalesce(nullif(current_setting('lock_timeout'), '0'), '5s');
    v_until constant timestamptz := clock_timestamp() + v_timeout::interval;
    v_moment interval := '50 milliseconds';
    v_holders text;
begin
    while to_regclass('job') is not null loop
        begin
            perform set_config('lock_timeout', (1000 * extract(epoch from v_moment))::integer::text, true);
            if v_migrating then
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
                select
                    string_agg(distinct format(
                        'process %s: %s, %s, in a transaction since %s', pid, usename, application_name, xact_start
                    ), e'\n'),
                    case
                        when bool_and(mode = 'ShareUpdateExclusiveLock') filter (
                            where relation = 'job'::regclass
                                and (v_migrating or mode not in ('AccessShareLock', 'RowShareLock'))
                        ) then current_setting('deadlock_timeout')::interval * 1.1
                        else '50 milliseconds'
                    end
                into v_holders, v_moment
                from pg_locks
                inner join pg_class on pg_class.oid = relation
                left join pg_stat_activity using (pid)
                where relnamespace = to_regnamespace(quote_ident(current_schema()))
                    and database = (select oid from pg_database where datname = current_database())
                    and granted
                    and pid is distinct from pg_backend_pid();

                if clock_timestamp() > v_until then
                    raise lock_not_available using
                        message = format('somebody uses table job of schema %I, or a view of it', current_schema()),
                        detail = v_holders,
                        hint = 'Try again when it has ended. lock_timeout is how long a deploy waits.';
                end if;
                perform pg_sleep(0.05);
        end;
    end loop;
    perform set_config('lock_timeout', v_timeout, true);
end
$$;
