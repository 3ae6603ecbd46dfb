"""All that an installation put into its schema, as lines of text that are the same for any schema and server."""

import re
from typing import Any

import psycopg
from psycopg import sql

Line = tuple[str, str, str]

OURS = """
select oid, relname::text as name, relkind from pg_class
where relnamespace = to_regnamespace(quote_ident(current_schema())) and relname !~ '^_?yoyo'
"""

STATEMENTS = {
    "relation": f"""
        select case relkind when 'r' then 'table' when 'v' then 'view' when 'S' then 'sequence' else relkind::text end
            || ' ' || name, concat_ws(E'\\n', obj_description(oid, 'pg_class'), (
            select nullif(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))::text
            from pg_class where pg_class.oid = ours.oid))
        from ({OURS}) as ours where relkind not in ('i', 't', 'c')
    """,
    "type": """
        select typname, concat_ws(E'\\n', nullif(format_type(typbasetype, typtypmod), '-'), typacl,
            obj_description(pg_type.oid, 'pg_type'))
        from pg_type left join pg_class on pg_class.oid = typrelid
        where typnamespace = to_regnamespace(quote_ident(current_schema())) and (typtype = 'd' or relkind = 'c')
    """,
    "column": f"""
        select name || '.' || attname, concat_ws(' ',
            format_type(atttypid, atttypmod),
            case when attcollation <> typcollation then 'collate ' || quote_ident(collname) end,
            case when attnotnull then 'not null' end,
            case when attidentity <> '' then 'identity ' || attidentity::text end,
            'default ' || pg_get_expr(adbin, adrelid),
            E'\\n' || col_description(attrelid, attnum))
        from ({OURS}) as ours join pg_attribute on attrelid = ours.oid join pg_type on pg_type.oid = atttypid
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
        left join pg_collation on pg_collation.oid = attcollation
        where relkind in ('r', 'v', 'c') and attnum > 0 and not attisdropped
    """,
    "constraint": f"""
        select coalesce(name, contypid::regtype::text) || '.' || conname, concat_ws(E'\\n',
            pg_get_constraintdef(pg_constraint.oid), obj_description(pg_constraint.oid, 'pg_constraint'))
        from pg_constraint left join ({OURS}) as ours on conrelid = ours.oid
        where (ours.oid is not null or contypid <> 0) and contype <> 'n'
            and connamespace = to_regnamespace(quote_ident(current_schema()))
    """,
    "index": f"""
        select name || '.' || indexrelid::regclass, concat_ws(E'\\n', pg_get_indexdef(indexrelid),
            obj_description(indexrelid, 'pg_class'))
        from ({OURS}) as ours join pg_index on indrelid = ours.oid
    """,
    "trigger": f"""
        select name || '.' || tgname, concat_ws(E'\\n', pg_get_triggerdef(pg_trigger.oid), tgenabled,
            obj_description(pg_trigger.oid, 'pg_trigger'))
        from ({OURS}) as ours join pg_trigger on tgrelid = ours.oid
    """,
    "function": """
        select format('%s(%s)', proname, pg_get_function_identity_arguments(oid)),
            concat_ws(E'\\n', regexp_replace(pg_get_functiondef(oid), '\\nAS \\$.*', ''), proacl,
            obj_description(oid, 'pg_proc'))
        from pg_proc where pronamespace = to_regnamespace(quote_ident(current_schema()))
    """,
    "view's text": f"""
        select name, pg_get_viewdef(oid) from ({OURS}) as ours where relkind = 'v'
    """,
    "function's text": """
        select proname, prosrc from pg_proc where pronamespace = to_regnamespace(quote_ident(current_schema()))
    """,
    "row": "select 'migration', id from migration union all select 'queue', name from queue",
}


def snapshot(conn: psycopg.Connection[Any], schema: str = "jobs") -> list[Line]:
    """Return kind, name and definition of everything in a schema, yoyo's own tables aside."""
    with psycopg.connect(conn.info.dsn, autocommit=True) as own:
        own.execute(sql.SQL("set search_path to {}, pg_temp").format(sql.Identifier(schema)))
        own.execute("set timezone to 'UTC'; set quote_all_identifiers = off; set standard_conforming_strings = on")
        has_rows = own.execute("select to_regclass('migration')").fetchall()[0][0]
        lines = [
            (kind, name, _anywhere(text, schema))
            for kind, statement in STATEMENTS.items()
            if kind != "row" or has_rows
            for name, text in own.execute(statement.encode()).fetchall()
        ]
    return sorted(lines)


def _anywhere(text: str, schema: str) -> str:
    """Take the schema's name out of a definition."""
    names = f"{re.escape(sql.Identifier(schema).as_string())}|{re.escape(schema)}"
    text = text.replace(sql.Literal(schema).as_string(), "'<schema>'")
    return re.sub(rf'(?<![\w"])({names})\.(?=[\w"])', "<schema>.", text)


def as_text(lines: list[Line]) -> str:
    """Return a snapshot to be committed: without the bodies of functions, which stand in files of their own."""
    paragraphs = [f"{kind} {name}\n{text}" for kind, name, text in lines if kind != "function's text"]
    return (
        "\n\n".join("\n    ".join(line.rstrip() for line in paragraph.split("\n")) for paragraph in paragraphs) + "\n"
    )
