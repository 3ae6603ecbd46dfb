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
    v_completed bigint[];
begin
    if cardinality(complete_batch.ids) is distinct from cardinality(complete_batch.attempts)
        or complete_batch.ids is null
    then
        raise invalid_parameter_value using
            message = 'ids and attempts must be two arrays of the same length',
            hint = 'attempts[n] is the attempt by which ids[n] was claimed.';
    end if;

    with completed as (
        delete from job
        using unnest(complete_batch.ids, complete_batch.attempts) as held (id, attempt)
        where job.queue = complete_batch.queue
            and job.id = held.id
            and job.attempt = held.attempt
            and job.state = 'IN_PROGRESS'
        returning job.id, job.notify
    ), announced as materialized (
        select completed.id, announce(complete_batch.queue, 'completed', completed.notify) from completed
    )
    select coalesce(array_agg(announced.id), '{}') into v_completed from announced;

    perform check_queue(complete_batch.queue) where v_completed = '{}';
    if cardinality(v_completed) < cardinality(complete_batch.ids) then
        perform raise_lease_lost(complete_batch.queue, held.id, held.attempt)
        from unnest(complete_batch.ids, complete_batch.attempts) as held (id, attempt)
        order by held.id = any(v_completed) nulls first
        limit 1;
    end if;
end
$$;

comment on function complete_batch is
    'Ends many jobs of a queue that succeeded, attempts[n] being the attempt of ids[n], in one statement. JQ001 when '
    'any of them is no longer held, and then none is completed.';
