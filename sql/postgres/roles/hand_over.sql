-- Whatever a deploy made belongs to the owner role, where roles.sql has been: a function runs with its owner's rights.
-- Elsewhere to whom job belongs, whoever deploys; what others keep in the schema stays theirs.

do $$
declare
    v_owner text := current_schema() || '_owner';
    v_roles constant boolean := v_owner = pg_get_userbyid(
        (select nspowner from pg_namespace where nspname = current_schema())
    );
    v_object text;
begin
    if not v_roles then
        v_owner := pg_get_userbyid((select relowner from pg_class where oid = to_regclass('job')));
    end if;

    for v_object in
        select format('table %s', pg_class.oid::regclass) from pg_class
        where pg_class.relnamespace = to_regnamespace(quote_ident(current_schema()))
            and pg_class.relkind in ('r', 'v')
            and pg_get_userbyid(pg_class.relowner) <> v_owner
            and (v_roles or pg_get_userbyid(pg_class.relowner) = current_user)
        union all
        select format('type %s', pg_type.oid::regtype) from pg_type
        left join pg_class on pg_class.oid = pg_type.typrelid
        where pg_type.typnamespace = to_regnamespace(quote_ident(current_schema()))
            and (pg_type.typtype = 'd' or pg_class.relkind = 'c')
            and pg_get_userbyid(pg_type.typowner) <> v_owner
            and (v_roles or pg_get_userbyid(pg_type.typowner) = current_user)
        union all
        select format('function %s', pg_proc.oid::regprocedure) from pg_proc
        where pg_proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
            and pg_proc.proconfig @> array[format('search_path=%I, pg_temp', current_schema())]
            and pg_get_userbyid(pg_proc.proowner) <> v_owner
            and (v_roles or pg_get_userbyid(pg_proc.proowner) = current_user)
    loop
        execute format('alter %s owner to %I', v_object, v_owner);
    end loop;

    -- EctoJob's views read job with their owner's rights. An application that was the owner may use its view as before.
    -- Without CREATE for the owner role in a view's schema only a superuser could give it the view: then it stays.
    for v_object in
        select format('%1$s owner to %2$I; grant select, insert, update, delete on %1$s to %3$I',
            pg_class.oid::regclass, v_owner, pg_get_userbyid(pg_class.relowner))
        from pg_trigger
        inner join pg_class on pg_class.oid = pg_trigger.tgrelid
        where v_roles
            and pg_trigger.tgfoid = to_regproc('ectojob_insert')
            and pg_get_userbyid(pg_class.relowner) <> v_owner
            and pg_has_role(pg_class.relowner, 'usage')
            and (
                has_schema_privilege(v_owner, pg_class.relnamespace, 'create')
                or (select pg_roles.rolsuper from pg_roles where pg_roles.rolname = current_user)
            )
    loop
        execute 'alter view ' || v_object;
    end loop;
end
$$;
