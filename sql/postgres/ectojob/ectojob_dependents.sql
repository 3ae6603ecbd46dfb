-- What else leans on a table, and would go wrong if a view took its place.

create or replace function ectojob_dependents(
    relation regclass
)
returns setof text
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    return query
    select format('foreign key %s of %s points to it', pg_constraint.conname, pg_constraint.conrelid::regclass)
    from pg_constraint
    where pg_constraint.confrelid = ectojob_dependents.relation;

    return query
    select format('trigger %s is on it', pg_trigger.tgname)
    from pg_trigger
    where pg_trigger.tgrelid = ectojob_dependents.relation
        and not pg_trigger.tgisinternal
        and not starts_with(pg_trigger.tgname, 'tr_notify_inserted_');

    return query
    select distinct format('view %s reads it', pg_rewrite.ev_class::regclass)
    from pg_depend
    inner join pg_rewrite on pg_rewrite.oid = pg_depend.objid
    where pg_depend.classid = 'pg_rewrite'::regclass and pg_depend.refobjid = ectojob_dependents.relation;

    return query
    select 'it is no ordinary table, has row security, or inherits'
    from pg_class
    where pg_class.oid = ectojob_dependents.relation
        and (
            pg_class.relkind <> 'r' or pg_class.relrowsecurity
            or exists (
                select from pg_inherits
                where ectojob_dependents.relation in (pg_inherits.inhrelid, pg_inherits.inhparent)
            )
        );
end
$$;

comment on function ectojob_dependents is
    'Internal. One line for each foreign key, trigger, view or other trait of a table that a view could not have.';
