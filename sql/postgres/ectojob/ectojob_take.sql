-- Copies the jobs of an EctoJob table into ours.

create or replace function ectojob_take(
    queue text,
    relation regclass
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    execute format(
        $take$
        insert into job (
            queue, id, state, priority, schedule, expires, attempt, max_attempts, params, notify,
            inserted_at, updated_at
        )
        select
            adopted.queue, adopted.id, adopted.state, adopted.priority, adopted.schedule, adopted.expires,
            adopted.attempt, adopted.max_attempts, adopted.params, adopted.notify, adopted.inserted_at,
            adopted.updated_at
        from %s as old
        cross join lateral %s as adopted
        $take$,
        ectojob_take.relation, ectojob_call(ectojob_take.queue, ectojob_take.relation)
    );
    perform ectojob_advance(ectojob_take.relation);
end
$$;

comment on function ectojob_take is
    'Internal. Inserts every row of the table as a job of the queue, ids kept.';
