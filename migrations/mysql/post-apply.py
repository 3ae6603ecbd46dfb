"""Reloads every procedure and view, in the order of sql/mysql/install.sql.

yoyo runs this after the migrations, and not at all when none is pending; ``ectojob migrate`` runs it every time. It
needs nothing but yoyo and this checkout, so that ``yoyo apply`` works without the ectojob package.

Each file is executed whole, because sqlparse would cut a procedure's body in pieces. A procedure's file begins with a
drop, for MySQL alone: MariaDB replaces it under its callers.

Where ``roles.sql`` has been, a procedure runs with the rights of the locked account that is its definer, and has its
grants again as soon as it is there. Any procedure of that account tells.
"""

import logging
import re
import time
from itertools import count
from pathlib import Path

from yoyo import step

logger = logging.getLogger("ectojob")

SQL = Path(__file__).resolve().parents[2] / "sql" / "mysql"
FUNCTIONS_REFUSED = (1418, 1419)
LOCK_WAIT_TIMEOUT = 1205
TRIES = 300
"""For ten minutes; then it gives up with what it has replaced so far, and can be run again."""

TURN = "concat('ectojob migrate ', left(sha2(database(), 256), 40))"
TAKE_TURN = f"select coalesce(is_used_lock({TURN}) = @ectojob_turn, get_lock({TURN}, 3600))"
"""Callers wait for whoever has the turn. ``ectojob migrate`` has it already, by a connection that it names."""

USES_ROLES = """
select database(), exists (
    select 1 from information_schema.routines
    where routine_schema = database() and definer = concat(database(), '_owner@localhost')
)
"""
OWNED = r"\1definer = `<database>_owner`@`localhost` \2"


def reload(conn):
    """Execute the files the manifest names below its own folder; migrations stand outside and are yoyo's."""
    grants = {}
    for line in (SQL / "roles/grants.sql").read_text().splitlines():
        if match := re.match(r"grant .* on .*`jobs`.`(\w+)` to", line):
            grants.setdefault(match[1], []).append(line.rstrip(";"))
    on_mariadb = "mariadb" in conn.get_server_info().lower()
    with conn.cursor() as cursor:
        cursor.execute("set names utf8mb4")
        cursor.execute("set lock_wait_timeout = 1")
        cursor.execute(TAKE_TURN)
        if cursor.fetchone() != (1,):
            raise RuntimeError("another migrator has been at work for an hour; show processlist tells who is connected")
        cursor.execute(USES_ROLES)
        [(database, owned)] = cursor.fetchall()
        cursor.execute("set sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'")
        for name in re.findall(r"^source (\w\S+)", (SQL / "install.sql").read_text(), re.MULTILINE):
            *drop, create = (SQL / name).read_text().split(" //\n")
            if owned:
                create = re.sub(
                    r"^(create .*?)(procedure|function|sql security definer view)", OWNED, create, flags=re.M
                )
                create = create.replace("<database>", database.replace("`", "``"))
            for statement in [create] if on_mariadb else [*drop, create]:
                made = replace(cursor, name, statement)
            for grant in grants.get(Path(name).stem, []) if owned and made else []:
                cursor.execute(grant.replace("`jobs", "`" + database.replace("`", "``")))
        cursor.execute(f"do release_lock({TURN})")


def replace(cursor, name, statement):
    """Execute one statement and return whether that went well; a server may refuse to have functions.

    On MySQL an open transaction keeps what it has called, and whoever calls that then queues up behind the drop. So it
    is tried for a second, again and again, and between the tries they get through.
    """
    for tries in count(1):
        try:
            cursor.execute(statement)
        except Exception as error:
            if error.args[0] == LOCK_WAIT_TIMEOUT and tries < TRIES:
                logger.warning("%s waits for a transaction that has called it and is open, try %d", name, tries)
                time.sleep(1)
                continue
            if error.args[0] not in FUNCTIONS_REFUSED:
                raise
            remedy = "set global log_bin_trust_function_creators = 1, and migrate again"
            logger.warning("%s is left out, because the server writes a binary log; to have it, %s", name, remedy)
            return False
        return True


step(reload)
