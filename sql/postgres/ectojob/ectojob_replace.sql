-- Puts a view where an EctoJob table was, and keeps the table beside it.

create or replace function ectojob_replace(
    queue text,
    schema_name name,
    table_name name
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_kept constant name := ectojob_replace.table_name || '_adopted';
    v_model jsonb;
begin
    execute format(
        'alter table %I.%I rename to %I', ectojob_replace.schema_name, ectojob_replace.table_name, v_kept
    );
    insert into ectojob_view (queue, schema_name, view_name, kept_name, adopted_at)
    values (
        ectojob_replace.queue, ectojob_replace.schema_name, ectojob_replace.table_name, v_kept, clock_timestamp()
    );

    v_model := ectojob_model(format('%I.%I', ectojob_replace.schema_name, v_kept));
    perform ectojob_expose(ectojob_replace.queue, v_model);
    perform ectojob_attach(ectojob_replace.queue, v_model);
    perform ectojob_grant(
        format('%I.%I', ectojob_replace.schema_name, v_kept)::regclass,
        format('%I.%I', ectojob_replace.schema_name, ectojob_replace.table_name)::regclass
    );
end
$$;

comment on function ectojob_replace is
    'Internal. Renames the table to <name>_adopted, and gives its name and its grants to the view of the queue.';
