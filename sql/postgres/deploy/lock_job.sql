-- The turn of job to be locked, which the triggers need. Whoever works on it would queue up behind a deploy that waits,
-- so it waits for a moment at a time, and lock_timeout in all.

do $$
declare
    v_timeout constant text := current_setting('lock_timeout');
    v_until constant timestamptz := clock_timestamp() + v_timeout::interval;
begin
    loop
        begin
            perform set_config('lock_timeout', '50ms', true);
            lock table job in share row exclusive mode;
            exit;
        exception
            when lock_not_available then
                if clock_timestamp() > v_until then
                    raise lock_not_available using
                        message = format(
                            'a transaction has written jobs of schema %I, and is still open', current_schema()
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
