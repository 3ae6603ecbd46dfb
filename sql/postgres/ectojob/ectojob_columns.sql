-- What stands between a table and its adoption, as far as its shape goes.

create or replace function ectojob_columns(
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
    with expected (name, type, optional) as (
        values
            ('id', 'int8', false), ('state', 'varchar', false), ('expires', 'timestamp', false),
            ('schedule', 'timestamp', false), ('attempt', 'int4', false), ('max_attempts', 'int4', false),
            ('params', 'jsonb', false), ('notify', 'varchar', false), ('priority', 'int4', true),
            ('inserted_at', 'timestamp', false), ('updated_at', 'timestamp', false)
    ),

    found as (
        select attribute.attname::text as name, type.typname::text as type
        from pg_attribute as attribute
        inner join pg_type as type on type.oid = attribute.atttypid
        where attribute.attrelid = ectojob_columns.relation and attribute.attnum > 0 and not attribute.attisdropped
    )

    select format(
        'column %s is %s, and EctoJob''s %s', name, coalesce(found.type, 'missing'), coalesce(expected.type, 'none')
    )
    from expected
    full outer join found using (name)
    where found.type is distinct from expected.type
        and not (found.type is null and expected.optional)
        and not (name = 'params' and found.type = 'bytea')
    order by name;
end
$$;

comment on function ectojob_columns is
    'Internal. One line for each column that is not as in an EctoJob table of version 1, 2 or 3.';
