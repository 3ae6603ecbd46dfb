-- Who could use the table may use the view.

create or replace function ectojob_grant(
    kept regclass,
    view regclass
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_right record;
begin
    for v_right in
        select acl.privilege_type, coalesce(quote_ident(pg_roles.rolname), 'public') as grantee
        from pg_class
        cross join aclexplode(coalesce(pg_class.relacl, acldefault('r', pg_class.relowner))) as acl
        left join pg_roles on pg_roles.oid = acl.grantee
        where pg_class.oid = ectojob_grant.kept
            and acl.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    loop
        execute format('grant %s on %s to %s', v_right.privilege_type, ectojob_grant.view, v_right.grantee);
    end loop;
end
$$;

comment on function ectojob_grant is
    'Internal. Grants on the view what the table''s owner and others may do on the table with its rows.';
