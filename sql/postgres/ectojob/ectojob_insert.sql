-- What EctoJob inserts into a queue's view becomes a job of ours.

create or replace function ectojob_insert()
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
    new.id := coalesce(new.id, nextval('job_id_seq'));
    v_job := ectojob_job(
        tg_argv[0], new.id, new.state, new.expires, new.schedule, new.attempt, new.max_attempts,
        payload_params(new.params), new.notify, new.priority, new.inserted_at, new.updated_at
    );
    perform ectojob_check(v_job);

    insert into job (
        queue, id, state, priority, schedule, expires, attempt, max_attempts, params, notify, inserted_at, updated_at
    )
    select
        v_job.queue, v_job.id, v_job.state, v_job.priority, v_job.schedule, v_job.expires, v_job.attempt,
        v_job.max_attempts, v_job.params, v_job.notify, v_job.inserted_at, v_job.updated_at
    from queue
    where queue.name = v_job.queue;

    if not found then
        perform raise_unknown_queue(v_job.queue);
    end if;
    return new;
end
$$;

comment on function ectojob_insert is
    'Internal. Instead of an insert into a view made by create_ectojob_view; the argument is the queue. The triggers '
    'of job wake whoever waits.';
