-- What adopting a table would do, and what stands in the way.

create or replace function ectojob_plan(
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
    v_objections text[] := array(select ectojob_columns(ectojob_plan.relation));
    v_census jsonb := '{}';
begin
    if v_objections = '{}' then
        v_census := ectojob_census(ectojob_plan.queue, ectojob_plan.relation);
    end if;

    v_objections := v_objections || array(select ectojob_dependents(ectojob_plan.relation)) || array(
        select format('row %s is no job that could run here', row_.id)
        from jsonb_array_elements_text(v_census -> 'strange') as row_ (id)
    );
    if (v_census ->> 'taken')::bigint > 0 then
        v_objections := v_objections || format('%s of its ids are jobs of the queue already', v_census ->> 'taken');
    end if;
    v_objections := v_objections || array(
        select format('relation %s is there already', kept.relname)
        from pg_class as kept
        inner join pg_class as adopted on adopted.relnamespace = kept.relnamespace
        where adopted.oid = ectojob_plan.relation and kept.relname = adopted.relname || '_adopted'
    );
    if exists (select from ectojob_view where ectojob_view.queue = ectojob_plan.queue) then
        v_objections := v_objections || 'the queue has a view for EctoJob already'::text;
    end if;

    return jsonb_build_object(
        'queue', ectojob_plan.queue,
        'relation', ectojob_plan.relation::text,
        'priority', ectojob_has_priority(ectojob_plan.relation),
        'states', v_census -> 'states',
        'mended', v_census -> 'mended',
        'objections', to_jsonb(v_objections)
    );
end
$$;

comment on function ectojob_plan is
    'Internal. What adopt returns: the jobs by state, how many rows change in being adopted, whether the table has '
    'priorities (version 3), and the objections, none of which may be there.';
