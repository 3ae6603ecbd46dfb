-- Gives an adopted table back to EctoJob, with the jobs that its queue holds now.

create or replace function unadopt(
    queue text,
    dry_run boolean default false,
    lock_timeout interval default '2 seconds'
)
returns jsonb
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_timeout constant text := current_setting('lock_timeout');
    v_plan jsonb := ectojob_return_plan(unadopt.queue);
begin
    if unadopt.dry_run is true then
        return v_plan;
    end if;

    perform check_timeout('lock_timeout', unadopt.lock_timeout);
    perform set_config(
        'lock_timeout',
        least(ceil(1000 * extract(epoch from coalesce(unadopt.lock_timeout, '2 seconds'))), 2147483647)::text, true
    );
    begin
        perform ectojob_give_back(ectojob_detach(unadopt.queue));
    exception
        when lock_not_available then
            raise lock_not_available using
                message = format('the view or job is locked by someone else: %s', sqlerrm),
                hint = 'Nothing has changed: call again, or with a longer lock_timeout. pg_locks shows who has it.';
    end;
    perform set_config('lock_timeout', v_timeout, true);
    return v_plan;
end
$$;

comment on function unadopt is
    'Undoes adopt: drops the view, gives the table its name back, and moves all jobs of the queue into it as they are '
    'now; the queue and its settings stay. What a worker of ours runs meanwhile fails with JQ001, and EctoJob runs it '
    'again when its lease ends. last_error is lost, and in versions 1 and 2 priority; notify is cut to 255 characters. '
    'dry_run: only say how many jobs would move. lock_timeout: as for adopt. Runs with its caller''s rights. Raises '
    'JQ002, 55000.';
