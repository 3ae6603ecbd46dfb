-- The five roles, and who the schema belongs to.

do $$
declare
    v_schema constant text := current_schema();
    v_owner constant text := v_schema || '_owner';
    v_role text;
    v_purpose text;
begin
    if to_regclass('job') is null then
        raise invalid_schema_name using
            message = format('ectojob is not installed in schema %s', current_setting('search_path')),
            hint = 'Install it first: psql -f sql/postgres/install.sql';
    end if;

    for v_role, v_purpose in
        select v_schema || roles.suffix, format('%s of ectojob in schema %I', roles.purpose, v_schema)
        from (
            values
            ('_owner', 'Owns all'), ('_producer', 'Enqueues into the queues'), ('_worker', 'Runs the jobs'),
            ('_reader', 'Reads the views'), ('_admin', 'Manages the queues')
        ) as roles (suffix, purpose)
    loop
        continue when to_regrole(quote_ident(v_role)) is not null;
        execute format('create role %I nologin', v_role);
        execute format('comment on role %I is %L', v_role, v_purpose);
    end loop;

    -- Who isn't a superuser can only give away what a role owns that he belongs to.
    if not pg_has_role(v_owner, 'usage') then
        execute format('grant %I to current_user', v_owner);
    end if;
    if pg_get_userbyid((select nspowner from pg_namespace where nspname = v_schema)) <> v_owner then
        execute format('alter schema %I owner to %I', v_schema, v_owner);
    end if;
    execute format('alter default privileges for role %I revoke execute on functions from public', v_owner);
end
$$;
