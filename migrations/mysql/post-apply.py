"""Reloads every procedure and view, in the order of sql/mysql/install.sql.

yoyo runs this after the migrations, and not at all when none is pending; ``ectojob migrate`` runs it every time. It
needs nothing but yoyo and this checkout, so that ``yoyo apply`` works without the ectojob package.

Each file is executed whole, because sqlparse would cut a procedure's body in pieces. A procedure's file begins with a
drop, for MySQL alone: MariaDB replaces it under its callers.
"""

import logging
import re
from pathlib import Path

from yoyo import step

logger = logging.getLogger("ectojob")

SQL = Path(__file__).resolve().parents[2] / "sql" / "mysql"
FUNCTIONS_REFUSED = (1418, 1419)


def reload(conn):
    """Execute the files the manifest names below its own folder; migrations stand outside and are yoyo's."""
    on_mariadb = "mariadb" in conn.get_server_info().lower()
    with conn.cursor() as cursor:
        cursor.execute("set names utf8mb4")
        cursor.execute("set sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'")
        for name in re.findall(r"^source (\w\S+)", (SQL / "install.sql").read_text(), re.MULTILINE):
            *drop, create = (SQL / name).read_text().split(" //\n")
            for statement in [create] if on_mariadb else [*drop, create]:
                replace(cursor, name, statement)


def replace(cursor, name, statement):
    """Execute one statement, going without a function where the server refuses to have any."""
    try:
        cursor.execute(statement)
    except Exception as error:
        if error.args[0] not in FUNCTIONS_REFUSED:
            raise
        remedy = "set global log_bin_trust_function_creators = 1, and migrate again"
        logger.warning("%s is left out, because the server writes a binary log; to have it, %s", name, remedy)


step(reload)
