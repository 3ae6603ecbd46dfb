-- What makes the view work: its triggers; and on the table of jobs, for one queue alone, a trigger and an index.

create or replace function ectojob_attach(
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
begin
    select * into strict v_view from ectojob_view where ectojob_view.queue = ectojob_attach.queue;

    execute format(
        $view$
        create trigger ectojob_insert instead of insert on %1$I.%2$I for each row execute function ectojob_insert(%3$L);
        create trigger ectojob_update instead of update on %1$I.%2$I for each row execute function ectojob_update(%3$L);
        create trigger ectojob_delete instead of delete on %1$I.%2$I for each row execute function ectojob_delete(%3$L);
        $view$,
        v_view.schema_name, v_view.view_name, v_view.queue
    );
    execute format(
        $job$
        create trigger %1$I after insert or update of state on job for each row
        when (new.queue = %2$L and new.state = 'AVAILABLE') execute function ectojob_wake(%3$L);
        comment on trigger %1$I on job is 'Wakes EctoJob when a job of its queue becomes AVAILABLE.';
        create index %1$I on job (
            (state::%4$s collate pg_catalog."default"), priority, ((schedule at time zone 'UTC')::%5$s), id
        ) where queue = %2$L;
        comment on index %1$I is 'Asked by EctoJob through its view of one queue: which jobs are next, due or expired?';
        $job$,
        'ectojob:' || v_view.queue, v_view.queue, v_view.view_name, model #>> '{state,0}', model #>> '{schedule,0}'
    );
    execute format(
        'alter view %I.%I owner to %I', v_view.schema_name, v_view.view_name,
        (select pg_get_userbyid(pg_class.relowner) from pg_class where pg_class.oid = 'job'::regclass)
    );
end
$$;

comment on function ectojob_attach is
    'Internal. The triggers and the index of the view that ectojob_view has a row of; the index has the expressions of '
    'the view''s columns. Then gives the view to the owner of job, whose rights it reads with.';
