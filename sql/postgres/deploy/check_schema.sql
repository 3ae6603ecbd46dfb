-- What a deploy asks of the schema, before it changes anything.

do $$
declare
    v_schema constant text := current_schema();
    v_dependents text;
begin
    -- A schema of which nothing may be used is passed over, for pg_temp.
    if v_schema is null or starts_with(v_schema, 'pg_temp')
        or not has_schema_privilege(v_schema, 'create')
    then
        raise insufficient_privilege using
            message = format('permission denied for schema %s', current_setting('search_path')),
            hint = 'Deploying takes the role that owns the schema; as a member of it, PGOPTIONS=''-c role=...''.';
    end if;
    if octet_length(v_schema) > 45 then
        raise name_too_long using
            message = format('schema %I has a name of more than 45 bytes', v_schema),
            hint = 'Channels begin with it, and have at most 63 bytes: <schema>.default.completed.';
    end if;
    if exists (
        select from pg_namespace, aclexplode(pg_namespace.nspacl) as granted
        where pg_namespace.nspname = v_schema
            and granted.grantee = 0
            and granted.privilege_type = 'CREATE'
    ) then
        raise object_not_in_prerequisite_state using
            message = format('PUBLIC may create objects in schema %I', v_schema),
            hint = format(
                'Functions would find them, and run with their owner''s rights: '
                'revoke create on schema %I from public.', v_schema
            );
    end if;

    if to_regclass('queue') is not null and to_regclass('migration') is not null then
        if not exists (select from migration) then
            raise object_not_in_prerequisite_state using
                message = format('schema %I has tables, but no record of what made them', v_schema),
                hint = format('A copy without data? Add that of all but job: pg_dump -a -n %1$I -T %1$I.job', v_schema);
        end if;
    end if;

    -- Functions that leave, see former_functions.sql.
    select string_agg(distinct pg_describe_object(pg_depend.classid, pg_depend.objid, 0), ', ') into v_dependents
    from pg_depend
    where pg_depend.refclassid = 'pg_proc'::regclass
        and pg_depend.refobjid in (
            to_regprocedure('reserve_batch(text, integer, interval)'),
            to_regprocedure('claim_batch(text, integer, interval)'),
            to_regprocedure('former_reserve_batch(text, integer, interval)'),
            to_regprocedure('former_claim_batch(text, integer, interval)')
        );
    if v_dependents is not null then
        raise dependent_objects_still_exist using
            message = format('%s depends on reserve_batch or claim_batch, which gets more arguments', v_dependents),
            hint = 'Drop what depends on it, deploy, and create it again.';
    end if;
end
$$;
