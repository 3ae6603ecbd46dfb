-- What is in a table of EctoJob's, and what of it we could not hold.

create or replace function ectojob_census(
    queue text,
    relation regclass
)
returns jsonb
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_census jsonb;
begin
    execute format(
        $census$
        with old as (select * from %2$s),

        counted as (
            select old.state, count(*) as jobs from old group by old.state
        ),

        strange as (
            select old.id from old
            where old.state not in ('SCHEDULED', 'AVAILABLE', 'RESERVED', 'IN_PROGRESS', 'RETRY', 'FAILED')
                or jsonb_typeof(payload_params(old.params)) <> 'object'
                or least(old.schedule, old.expires, old.inserted_at, old.updated_at) < '1000-01-01'
                or greatest(old.schedule, old.expires, old.inserted_at, old.updated_at) >= '9999-01-01'
        ),

        taken as (
            select old.id from old inner join job on job.queue = %1$L and job.id = old.id
        ),

        mended as (
            select old.id from old
            cross join lateral %3$s as adopted
            where (adopted.expires, adopted.attempt, adopted.max_attempts)
                is distinct from (old.expires at time zone 'UTC', old.attempt, old.max_attempts)
        )

        select jsonb_build_object(
            'states', (select coalesce(jsonb_object_agg(counted.state, counted.jobs), '{}') from counted),
            'strange', (select coalesce(jsonb_agg(strange.id order by strange.id), '[]') from strange),
            'taken', (select count(*) from taken),
            'mended', (select count(*) from mended)
        )
        $census$,
        ectojob_census.queue, ectojob_census.relation, ectojob_call(ectojob_census.queue, ectojob_census.relation)
    ) into v_census;
    return v_census;
end
$$;

comment on function ectojob_census is
    'Internal. states: how many jobs in each; strange: ids of rows that are no jobs here (an unknown state, params '
    'that are no object, a moment out of range); taken: how many ids the queue has already; mended: how many rows '
    'ectojob_job changes.';
