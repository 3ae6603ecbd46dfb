-- IN_PROGRESS -> (deleted)

create or replace function complete(
    queue text,
    id bigint,
    attempt integer
)
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
set enable_seqscan = off
as $$
declare
    v_notify text;
begin
    delete from job
    where job.queue = complete.queue
        and job.id = complete.id
        and job.attempt = complete.attempt
        and job.state = 'IN_PROGRESS'
    returning job.notify into v_notify;

    if found and v_notify is null then  -- so nearly every job ends with one question
        return;
    end if;
    if not found then
        perform raise_lease_lost(complete.queue, complete.id, complete.attempt);
    end if;
    perform announce(complete.queue, 'completed', v_notify);
end
$$;

comment on function complete is
    'Ends a job that succeeded. Call it in the transaction that holds the handler''s writes: they commit together, '
    'or, when someone else has the job by now, JQ001 rolls both back.';
