-- Undoes ectojob_expose and ectojob_attach.

create or replace function ectojob_detach(
    queue text
)
returns ectojob_view
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_view ectojob_view;
begin
    delete from ectojob_view
    where ectojob_view.queue = ectojob_detach.queue
    returning * into v_view;

    if not found then
        perform check_queue(ectojob_detach.queue);
        raise object_not_in_prerequisite_state using
            message = format('queue %s has no view for EctoJob', quote_literal(ectojob_detach.queue)),
            hint = 'The table ectojob_view lists those that have.';
    end if;

    -- The view first, as EctoJob locks it before the table of jobs, too.
    execute format('drop view %I.%I', v_view.schema_name, v_view.view_name);
    execute format('drop trigger %I on job', 'ectojob:' || v_view.queue);
    execute format('drop index %I', 'ectojob:' || v_view.queue);
    return v_view;
end
$$;

comment on function ectojob_detach is
    'Internal. Drops the view of a queue, its trigger and its index; returns the row that ectojob_view had.';
