-- No id is given twice, by neither of two sequences.

create or replace function ectojob_advance(
    relation regclass
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_sequence constant regclass := pg_get_serial_sequence(ectojob_advance.relation::text, 'id');
    v_last bigint;
begin
    -- Beyond ids whose jobs are gone, too: whoever still holds one of those must not meet another job.
    execute format(
        $last$
        select greatest(ours.last_value, theirs.last_value, (select max(id) from %s))
        from job_id_seq as ours
        cross join %s as theirs
        $last$,
        ectojob_advance.relation, coalesce(v_sequence, 'job_id_seq')
    ) into v_last;

    perform setval('job_id_seq', v_last);
    if v_sequence is not null then
        perform setval(v_sequence, v_last);
    end if;
end
$$;

comment on function ectojob_advance is
    'Internal. Moves our sequence and that of an EctoJob table beyond all ids that either gave or the table holds.';
