"""Reloads every function, trigger and view, in the order of sql/postgres/install.sql.

yoyo runs this after the migrations, and not at all when none is pending; ``ectojob migrate`` runs it every time. It
needs nothing but yoyo and this checkout, so that ``yoyo apply`` works without the ectojob package.
"""

import re
from pathlib import Path

from yoyo import step

SQL = Path(__file__).resolve().parents[2] / "sql" / "postgres"


def reload(conn):
    """Execute the files the manifest names below its own folder; migrations stand outside and are yoyo's."""
    try:
        _execute(conn)
    except Exception as error:
        error.add_note(
            "The migrations are applied, and the functions that go with them are not there yet. yoyo won't try again: "
            "run psql -f sql/postgres/install.sql, or ectojob migrate."
        )
        raise


def _execute(conn):
    with conn.cursor() as cursor:
        # Functions keep this path, however yoyo was told the schema: nothing but the schema, and pg_temp last.
        cursor.execute("set local quote_all_identifiers = off")
        cursor.execute("select set_config('search_path', format('%I, pg_temp', current_schema()), true)")
        for name in re.findall(r"^\\ir (\w\S+)", (SQL / "install.sql").read_text(), re.MULTILINE):
            cursor.execute((SQL / name).read_text())


step(reload)
