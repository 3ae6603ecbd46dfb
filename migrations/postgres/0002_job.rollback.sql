-- The functions and views of sql/postgres stand on this table, so they leave with it. A function is one of ours when it
-- is pinned to this schema; whatever else lives here stays.

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select pg_proc.oid from pg_proc
        where pg_proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
            and pg_proc.proconfig @> array[format('search_path=%I, pg_temp', current_schema())]
    loop
        execute format('drop function %s cascade', v_function);
    end loop;
end
$$;

drop table job cascade;

delete from migration
where id = '0002_job';
