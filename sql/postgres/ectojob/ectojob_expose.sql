-- The view itself, which EctoJob takes for its table.

create or replace function ectojob_expose(
    queue text,
    model jsonb
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_view ectojob_view;
    v_name text;
    v_column text;
    v_default text;
begin
    select * into strict v_view from ectojob_view where ectojob_view.queue = ectojob_expose.queue;
    v_name := format('%I.%I', v_view.schema_name, v_view.view_name);

    execute format(
        $view$
        create view %s as
        select
            job.id,
            job.state::%s collate pg_catalog."default" as state,
            (job.expires at time zone 'UTC')::%s as expires,
            (job.schedule at time zone 'UTC')::%s as schedule,
            job.attempt,
            job.max_attempts,
            %s as params,
            job.notify::%s as notify,
            job.priority,
            (job.inserted_at at time zone 'UTC')::%s as inserted_at,
            (job.updated_at at time zone 'UTC')::%s as updated_at
        from job
        where job.queue = %L
        $view$,
        v_name, model #>> '{state,0}', model #>> '{expires,0}', model #>> '{schedule,0}',
        ectojob_params(model #>> '{params,0}'), model #>> '{notify,0}', model #>> '{inserted_at,0}',
        model #>> '{updated_at,0}', ectojob_expose.queue
    );

    for v_column, v_default in
        select item.key, item.value ->> 1
        from jsonb_each(ectojob_expose.model) as item
        where item.value ->> 1 is not null
    loop
        execute format('alter view %s alter column %I set default %s', v_name, v_column, v_default);
    end loop;
end
$$;

comment on function ectojob_expose is
    'Internal. Makes the view that ectojob_view has a row of, with the types and defaults of the model. The id has no '
    'default, which would need a right on our sequence; the insert gives it.';
