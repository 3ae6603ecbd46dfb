-- The functions run with their owner's rights, so nobody else may call one unless somebody grants it.

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select pg_proc.oid from pg_proc
        where pg_proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
            and pg_proc.proconfig @> array[format('search_path=%I, pg_temp', current_schema())]
    loop
        execute format('revoke execute on function %s from public', v_function);
    end loop;
    if not found then
        raise undefined_function using
            message = format('schema %I has no function whose search_path is %1$I, pg_temp', current_schema()),
            hint = 'Ours are known by it, and PUBLIC may call what it does not find: deploy with install.sql as it is.';
    end if;
end
$$;
