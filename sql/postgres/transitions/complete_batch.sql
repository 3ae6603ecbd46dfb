-- IN_PROGRESS -> (deleted), all or none

create or replace function complete_batch(
    queue text,
    ids bigint[],
    attempts integer[]
)
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
declare
    v_id bigint;
    v_notify text;
    v_done bigint[] := '{}';
begin
    perform check_batch(complete_batch.ids, complete_batch.attempts);

    -- Found one by one, by the key: a planner without statistics joins by reading every held job of the queue instead.
    -- The pairs are compared again in case somebody has moved a row between its being found and being locked.
    for v_id, v_notify in
        delete from job
        where job.ctid = any(
                array(
                    select (
                        select job.ctid from job
                        where job.queue = complete_batch.queue
                            and job.id = held.id
                            and job.attempt = held.attempt
                            and job.state = 'IN_PROGRESS'
                    )
                    from unnest(complete_batch.ids, complete_batch.attempts) as held (id, attempt)
                )
            )
            and job.state = 'IN_PROGRESS'
            and (job.id, job.attempt) in (
                select held.id, held.attempt
                from unnest(complete_batch.ids, complete_batch.attempts) as held (id, attempt)
            )
        returning job.id, job.notify
    loop
        v_done := v_done || v_id;
        if v_notify is not null then
            perform announce(complete_batch.queue, 'completed', v_notify);
        end if;
    end loop;

    if cardinality(v_done) < cardinality(complete_batch.ids) then
        perform complete_rest(complete_batch.queue, complete_batch.ids, complete_batch.attempts, v_done);
    elsif v_done = '{}' then
        perform check_queue(complete_batch.queue);
    end if;
end
$$;

comment on function complete_batch is
    'Ends many jobs, attempts[n] being the attempt of ids[n]. JQ001 when any of them is no longer held: none is ended.';
