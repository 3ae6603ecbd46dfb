-- The columns of EctoJob's table: of version 3, as its migration makes them, or as a table has them.

create or replace function ectojob_model(
    relation regclass default null
)
returns jsonb
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_model jsonb := '{
        "state": ["varchar(255)", "''AVAILABLE''"],
        "expires": ["timestamp(6)", null],
        "schedule": ["timestamp(6)", "timezone(''UTC'', now())"],
        "attempt": ["integer", "0"],
        "max_attempts": ["integer", "5"],
        "params": ["jsonb", null],
        "notify": ["varchar(255)", null],
        "priority": ["integer", "0"],
        "inserted_at": ["timestamp(0)", null],
        "updated_at": ["timestamp(0)", null]
    }';
begin
    return v_model || coalesce((
        select jsonb_object_agg(pg_attribute.attname, jsonb_build_array(
            format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
            pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid)
        ))
        from pg_attribute
        left join pg_attrdef
            on pg_attrdef.adrelid = pg_attribute.attrelid and pg_attrdef.adnum = pg_attribute.attnum
        where pg_attribute.attrelid = ectojob_model.relation
            and pg_attribute.attnum > 0
            and v_model ? pg_attribute.attname
    ), '{}');
end
$$;

comment on function ectojob_model is
    'Internal. Type and default by column, both as SQL. relation: a table whose types and defaults are wanted, so that '
    'statements prepared for it fit the view, too; null: those of a new one.';
