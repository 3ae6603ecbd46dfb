-- IN_PROGRESS -> (deleted), as EctoJob does it

create or replace function ectojob_delete()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
as $$
declare
    v_job job;
begin
    delete from job
    where job.queue = tg_argv[0]
        and job.id = old.id
        and job.attempt = old.attempt
    returning job.* into v_job;

    if not found then
        return null;
    end if;
    if v_job.state = 'IN_PROGRESS' then
        perform ectojob_announce(v_job.queue, 'completed', v_job.notify);
    end if;
    return old;
end
$$;

comment on function ectojob_delete is
    'Internal. Instead of a delete from a view made by create_ectojob_view; the argument is the queue. The attempt is '
    'the fence, and the only one, as in EctoJob: a worker whose lease ended, and whose job nobody began since, still '
    'completes it.';
