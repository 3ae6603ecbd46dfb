-- What unadopting a queue would do.

create or replace function ectojob_return_plan(
    queue text
)
returns jsonb
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_view ectojob_view;
    v_states jsonb;
begin
    select * into v_view from ectojob_view where ectojob_view.queue = ectojob_return_plan.queue;

    if v_view.kept_name is null or to_regclass(format('%I.%I', v_view.schema_name, v_view.kept_name)) is null then
        perform check_queue(ectojob_return_plan.queue);
        raise object_not_in_prerequisite_state using
            message = format('queue %s has no adopted table to go back to', quote_literal(ectojob_return_plan.queue)),
            hint = 'A view that create_ectojob_view made, or whose table was dropped, ends with drop_ectojob_view.';
    end if;

    select coalesce(jsonb_object_agg(counted.state, counted.jobs), '{}') into v_states
    from (
        select job.state, count(*) as jobs from job where job.queue = v_view.queue group by job.state
    ) as counted;
    return jsonb_build_object(
        'queue', v_view.queue,
        'relation', format('%I.%I', v_view.schema_name, v_view.view_name),
        'adopted_at', v_view.adopted_at,
        'states', v_states
    );
end
$$;

comment on function ectojob_return_plan is
    'Internal. What unadopt returns: the table, since when it is adopted, the jobs by state; or 55000.';
