-- What a deploy asks of the schema, before it changes anything.

do $$
begin
    if exists (
        select from pg_namespace, aclexplode(pg_namespace.nspacl) as granted
        where pg_namespace.nspname = current_schema()
            and granted.grantee = 0
            and granted.privilege_type = 'CREATE'
    ) then
        raise object_not_in_prerequisite_state using
            message = format('PUBLIC may create objects in schema %I', current_schema()),
            hint = format(
                'Functions would find them, and run with their owner''s rights: '
                'revoke create on schema %I from public.', current_schema()
            );
    end if;
end
$$;
