-- The schema belongs to whoever runs this, and nobody else may do anything in it.

do $$
declare
    v_schema constant text := current_schema();
    v_owner constant text := v_schema || '_owner';
    v_object text;
    v_role text;
begin
    if to_regrole(quote_ident(v_owner)) is null then
        if to_regclass('job') is null then
            raise invalid_schema_name using
                message = format('ectojob is not installed in schema %s', current_setting('search_path')),
                hint = 'Another schema than jobs is to be named: psql -v schema=jobs_eu ...';
        end if;
        return;
    end if;

    foreach v_role in array array['_producer', '_worker', '_reader', '_admin'] loop
        continue when to_regrole(quote_ident(v_schema || v_role)) is null;
        execute format('revoke all on all functions in schema %I from %I', v_schema, v_schema || v_role);
        execute format('revoke all on all tables in schema %I from %I', v_schema, v_schema || v_role);
        execute format('revoke all on schema %I from %I', v_schema, v_schema || v_role);
    end loop;

    for v_object in
        select format('schema %I', v_schema) from pg_namespace
        where pg_namespace.nspname = v_schema and pg_get_userbyid(pg_namespace.nspowner) = v_owner
        union all
        select format('table %s', pg_class.oid::regclass) from pg_class
        where pg_class.relnamespace = to_regnamespace(quote_ident(v_schema))
            and pg_class.relkind in ('r', 'v')
            and pg_get_userbyid(pg_class.relowner) = v_owner
        union all
        select format('type %s', pg_type.oid::regtype) from pg_type
        left join pg_class on pg_class.oid = pg_type.typrelid
        where pg_type.typnamespace = to_regnamespace(quote_ident(v_schema))
            and (pg_type.typtype = 'd' or pg_class.relkind = 'c')
            and pg_get_userbyid(pg_type.typowner) = v_owner
        union all
        select format('view %s', pg_class.oid::regclass) from pg_trigger
        inner join pg_class on pg_class.oid = pg_trigger.tgrelid
        where pg_trigger.tgfoid = to_regproc('ectojob_insert') and pg_get_userbyid(pg_class.relowner) = v_owner
        union all
        select format('function %s', pg_proc.oid::regprocedure) from pg_proc
        where pg_proc.pronamespace = to_regnamespace(quote_ident(v_schema))
            and pg_get_userbyid(pg_proc.proowner) = v_owner
    loop
        execute format('alter %s owner to current_user', v_object);
    end loop;
    execute format('alter default privileges for role %I grant execute on functions to public', v_owner);
end
$$;
