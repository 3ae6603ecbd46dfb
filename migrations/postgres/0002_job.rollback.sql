-- The functions and views of sql/postgres stand on this table, so they leave with it. A function is one of ours when it
-- is pinned to this schema; whatever else lives here stays. All in one statement: psql goes on after one that failed,
-- and another schema may have a table of this name.

do $$
declare
    v_function regprocedure;
begin
    delete from migration
    where migration.id = '0002_job';

    if not found then
        raise object_not_in_prerequisite_state using
            message = format('schema %I has no migration 0002_job', current_schema()),
            hint = 'Its schema comes first in search_path: PGOPTIONS=''-c search_path=jobs,pg_temp''.';
    end if;

    perform set_config('quote_all_identifiers', 'off', true);  -- the functions were made so
    for v_function in
        select pg_proc.oid from pg_proc
        where pg_proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
            and pg_proc.proconfig @> array[format('search_path=%I, pg_temp', current_schema())]
    loop
        execute format('drop function %s cascade', v_function);
    end loop;

    drop table job cascade;
end
$$;
