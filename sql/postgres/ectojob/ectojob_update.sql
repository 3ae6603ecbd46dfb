-- What EctoJob updates in a queue's view becomes a transition of ours.

create or replace function ectojob_update()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
declare
    v_job job;
begin
    v_job := ectojob_job(
        tg_argv[0], new.id, new.state, new.expires, new.schedule, new.attempt, new.max_attempts,
        payload_params(new.params), new.notify, new.priority, new.inserted_at, new.updated_at
    );
    perform ectojob_check(v_job);
    if new.params is not distinct from old.params then
        v_job.params := null;
    end if;
    if old.state = 'AVAILABLE' and new.state = 'RESERVED' then
        v_job := ectojob_reserve(v_job);
    else
        v_job := ectojob_move(v_job, old.id, old.state, old.attempt, old.expires);
    end if;

    -- The row is told as it became; without an id, someone else moved the job on, and it is not among the updated ones.
    if v_job.id is null then
        return null;
    end if;
    new.state := v_job.state;
    new.schedule := v_job.schedule at time zone 'UTC';
    new.attempt := v_job.attempt;
    new.max_attempts := v_job.max_attempts;
    return new;
end
$$;

comment on function ectojob_update is
    'Internal. Instead of an update of a view made by create_ectojob_view; the argument is the queue. expires is told '
    'as EctoJob wrote it, even where our table keeps none.';
