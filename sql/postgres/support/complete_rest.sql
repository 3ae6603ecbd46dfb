-- What complete_batch has not found.

create or replace function complete_rest(
    queue text,
    ids bigint[],
    attempts integer[],
    done bigint[]
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform complete(complete_rest.queue, held.id, held.attempt)
    from unnest(complete_rest.ids, complete_rest.attempts) with ordinality as held (id, attempt, place)
    where (held.id = any(complete_rest.done)) is not true
        or held.place > array_position(complete_rest.ids, held.id);
end
$$;

comment on function complete_rest is
    'Internal. Completes, one by one, the jobs of a batch that are not among those done, and so says which is lost: '
    'JQ001, also for a second mention of a job.';
