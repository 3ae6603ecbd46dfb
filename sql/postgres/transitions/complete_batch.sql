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
begin
    if cardinality(complete_batch.ids) is distinct from cardinality(complete_batch.attempts)
        or complete_batch.ids is null
    then
        raise invalid_parameter_value using
            message = 'ids and attempts must be two arrays of the same length',
            hint = 'attempts[n] is the attempt by which ids[n] was claimed.';
    end if;

    -- One by one, by the key: a planner without statistics joins by reading every held job of the queue instead.
    perform complete(complete_batch.queue, held.id, held.attempt)
    from unnest(complete_batch.ids, complete_batch.attempts) as held (id, attempt);

    if not found then
        perform check_queue(complete_batch.queue);
    end if;
end
$$;

comment on function complete_batch is
    'Ends many jobs of a queue that succeeded, attempts[n] being the attempt of ids[n]. JQ001 when any of them is no '
    'longer held, and then none is completed.';
