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
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
as $$
declare
    v_done bigint[];
    v_notify text[];
begin
    perform check_batch(complete_batch.ids, complete_batch.attempts);

    -- Arrays may have more dimensions, and begin elsewhere than at 1.
    complete_batch.ids := array(select unnest(complete_batch.ids));
    complete_batch.attempts := array(select unnest(complete_batch.attempts));

    -- By the key, and no join: a planner without statistics may join by reading every held job of the queue. Planned
    -- each time: before PostgreSQL 17 a plan made while the table was empty looks through the queue for the ids.
    with done as (
        delete from job
        where job.queue = complete_batch.queue
            and job.id = any(complete_batch.ids)
            and job.attempt = complete_batch.attempts[array_position(complete_batch.ids, job.id)]
            and job.state = 'IN_PROGRESS'
        returning
            job.id,
            job.notify
    )
    select
        coalesce(array_agg(done.id), '{}'),
        array_agg(done.notify) filter (where done.notify is not null)
    into v_done, v_notify
    from done;

    if v_notify is not null then
        perform announce(complete_batch.queue, 'completed', text) from unnest(v_notify) as text;
    end if;
    if cardinality(v_done) < cardinality(complete_batch.ids) then
        perform complete_rest(complete_batch.queue, complete_batch.ids, complete_batch.attempts, v_done);
    elsif v_done = '{}' then
        perform check_queue(complete_batch.queue);
    end if;
end
$$;

comment on function complete_batch is
    'Ends many jobs, attempts[n] being the attempt of ids[n]. JQ001 when any of them is no longer held: none is ended.';
