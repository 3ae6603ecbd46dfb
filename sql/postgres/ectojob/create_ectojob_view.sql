-- Gives a queue a view that EctoJob 3.1 takes for its table.

create or replace function create_ectojob_view(
    queue text,
    relation text,
    params_type text default 'map'
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_parts constant text[] := ectojob_relation(create_ectojob_view.relation);
    v_model constant jsonb := ectojob_model() || case coalesce(create_ectojob_view.params_type, 'map')
        when 'map' then '{}'
        when 'binary' then '{"params": ["bytea", null]}'
    end::jsonb;
begin
    if v_model is null then
        raise invalid_parameter_value using
            message = format(
                'params_type %s is neither map nor binary', quote_literal(create_ectojob_view.params_type)
            ),
            hint = 'Pass what the application''s params_type says; without one it is a map.';
    end if;
    perform check_queue(create_ectojob_view.queue);

    insert into ectojob_view (queue, schema_name, view_name)
    values (create_ectojob_view.queue, v_parts[1], v_parts[2])
    on conflict do nothing;

    if not found then
        raise object_not_in_prerequisite_state using
            message = format(
                'queue %s or relation %s has a view for EctoJob already',
                quote_literal(create_ectojob_view.queue), create_ectojob_view.relation
            ),
            hint = 'A queue has one such view at most: see the table ectojob_view, and drop_ectojob_view.';
    end if;
    if to_regnamespace(quote_ident(v_parts[1])) is null
        or to_regclass(format('%I.%I', v_parts[1], v_parts[2])) is not null
    then
        raise object_not_in_prerequisite_state using
            message = format('schema %I is not there, or has a relation %I already', v_parts[1], v_parts[2]),
            hint = 'Create the schema first; a table with jobs is for adopt, which puts the view in its place.';
    end if;
    perform ectojob_expose(create_ectojob_view.queue, v_model);
    perform ectojob_attach(create_ectojob_view.queue, v_model);
end
$$;

comment on function create_ectojob_view is
    'Makes a view that an EctoJob application uses as its table, beside our workers. relation: schema.name, EctoJob''s '
    'schema_prefix (public without one) and table_name; grant its application the view. params_type: EctoJob''s, map '
    'or binary. Needs the right to create in that schema, so it runs with its caller''s rights. Locks job against '
    'writing for a moment. Raises JQ002, 22023, 55000 when there is one already.';
