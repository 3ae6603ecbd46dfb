"""What a session sets before it calls changes nothing that a call does, or the call is refused and changes nothing."""

import re
from typing import Any

import psycopg
import pymysql
import pytest
from contract.harness import Db
from mysql.servers import MYSQL
from psycopg.types.string import TextLoader
from servers import POSTGRES

from ectojob_py import Jobs
from ectojob_py.calls import calls_on
from ectojob_py.migrate import ROOT

from .places import ADMIN, PRODUCER, ROLES, WORKER, Place
from .test_roles import ARGUMENTS
from .test_shadowing import EXPECTED, life

on_postgres = pytest.mark.parametrize("place", POSTGRES, indirect=True, scope="session")
on_mysql = pytest.mark.parametrize("place", MYSQL, indirect=True, scope="session")

PLANS = [f"enable_{node} = off" for node in (
    "seqscan", "indexscan", "indexonlyscan", "bitmapscan", "tidscan", "sort", "nestloop", "hashjoin", "mergejoin",
    "hashagg", "material", "memoize",
)]  # fmt: skip
SETTINGS = [
    *PLANS,
    "; set ".join(PLANS),
    "plan_cache_mode = force_generic_plan",
    "plan_cache_mode = force_custom_plan",
    "random_page_cost = 0; set cpu_tuple_cost = 1000000",
    "jit = on; set jit_above_cost = 0",
    "work_mem = '64kB'",
    "from_collapse_limit = 1; set join_collapse_limit = 1; set geqo_threshold = 2",
    "default_transaction_isolation = 'repeatable read'",
    "default_transaction_isolation = serializable",
    "default_transaction_deferrable = on",
    "row_security = off",
    "datestyle = 'SQL, DMY'",
    "datestyle = 'German'",
    "intervalstyle = sql_standard",
    "intervalstyle = iso_8601",
    "timezone = 'Pacific/Kiritimati'",
    "timezone = '-15:59'",
    "search_path = ''",
    "search_path = pg_temp, pg_catalog",
    "client_encoding = LATIN1",
    "bytea_output = escape; set extra_float_digits = -15",
    "quote_all_identifiers = on; set transform_null_equals = on; set array_nulls = off",
    "standard_conforming_strings = off; set backslash_quote = off",
    "client_min_messages = debug5",
    "check_function_bodies = off",
    "plpgsql.extra_errors = 'all'",
    "synchronous_commit = off",
    "default_table_access_method = heap; set default_tablespace = ''",
    "lock_timeout = '10s'; set statement_timeout = '60s'; set idle_in_transaction_session_timeout = '60s'",
]


@pytest.fixture
def sessions(place: Place) -> Any:
    opened = {role: place.connect(role) for role in ROLES}
    yield opened
    for conn in opened.values():
        conn.close()


def test_as_many_are_promised_as_there_are() -> None:
    counts = rf"\b{len(SETTINGS)} of PostgreSQL \(.*\), {len(MYSQL_SETTINGS)} of MySQL and MariaDB"
    assert re.search(counts, (ROOT / "docs/reliability.md").read_text())


@on_postgres
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting[:40].replace(" ", ""))
def test_a_setting_changes_nothing(sessions: dict[str, Any], db: Db, setting: str) -> None:
    for role in (PRODUCER, WORKER, ADMIN):
        sessions[role].execute(f"set {setting}".encode())
        for type in ("timestamptz", "interval"):
            sessions[role].adapters.register_loader(type, TextLoader)  # psycopg reads the usual style alone
    assert life(sessions, db) == EXPECTED


def refused(place: Place, conn: Any, db: Db, role: str, codes: tuple[object, ...]) -> None:
    """Call all that writes, and see it refused and nothing changed."""
    mine = {
        PRODUCER: ("enqueue", "enqueue_many"),
        WORKER: ("claim_batch", "reserve_batch", "fail", "complete", "extend", "release", "activate_scheduled"),
        ADMIN: ("create_queue", "pause_queue", "remove", "drop_queue", "requeue"),
    }[role]
    for function in mine:
        arguments = ARGUMENTS[function]
        with db.changes_nothing(), pytest.raises(place.Error) as caught:
            calls_on(conn, "jobs").values(function, *arguments)
        code = getattr(caught.value, "sqlstate", None) or caught.value.args[0]
        assert code in codes, (function, code)


@pytest.mark.parametrize("role", [PRODUCER, WORKER, ADMIN])
def test_a_read_only_session_is_told_so(place: Place, db: Db, role: str) -> None:
    db.a_job("AVAILABLE")
    with place.connect(role) as conn:
        if isinstance(conn, psycopg.Connection):
            conn.execute("set default_transaction_read_only = on")
            refused(place, conn, db, role, ("25006", "JQ003"))
        else:
            place.execute(conn, "set session transaction read only")
            refused(place, conn, db, role, ("25006", "JQ003", 1792, 1568))


@on_postgres
def test_nobody_switches_triggers_off_or_becomes_another(sessions: dict[str, Any]) -> None:
    for session in sessions.values():
        for setting in ("session_replication_role = replica", "role postgres", "session authorization postgres"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"set {setting}".encode())


@on_postgres
def test_a_timeout_in_the_middle_leaves_nothing_half_written(sessions: dict[str, Any], db: Db) -> None:
    many = [{"n": number} for number in range(20_000)]
    producer = sessions[PRODUCER]
    producer.execute("set statement_timeout = '30ms'")
    with db.changes_nothing(), pytest.raises(psycopg.errors.QueryCanceled):
        Jobs(producer).enqueue_many("default", many)


MYSQL_SETTINGS = [
    "sql_mode = ''",
    "sql_mode = 'ANSI,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
    "sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,NO_ZERO_DATE'",
    "time_zone = '+13:00'",
    "timestamp = 1",
    "transaction isolation level serializable",
    "transaction isolation level read uncommitted",
    "sql_select_limit = 1",
    "sql_auto_is_null = 1",
    "max_sort_length = 8",
    "max_error_count = 0",
    "lc_time_names = 'de_DE'",
    "div_precision_increment = 0",
    "collation_connection = latin1_german1_ci",
    "foreign_key_checks = 0, unique_checks = 0",
    "optimizer_search_depth = 1, optimizer_prune_level = 0",
    "group_concat_max_len = 4",
    "auto_increment_increment = 1000, auto_increment_offset = 7",
    "last_insert_id = 99",
    "completion_type = 1",
    "completion_type = 2",
]


@on_mysql
@pytest.mark.parametrize("setting", MYSQL_SETTINGS, ids=lambda setting: setting[:40].replace(" ", ""))
def test_a_setting_changes_nothing_on_mysql(place: Place, sessions: dict[str, Any], db: Db, setting: str) -> None:
    for role in (PRODUCER, WORKER, ADMIN):
        try:
            place.execute(sessions[role], f"set session {setting}".replace("session last", "last"))
        except place.Error as error:  # MySQL keeps some for administrators
            if not place.denied(error):
                raise
    assert life(sessions, db) == EXPECTED


@on_mysql
@pytest.mark.parametrize("which", ["0", "-1", "a job's that was", "9223372036854775807"])
@pytest.mark.parametrize("function", ["enqueue", "enqueue_many", "enqueue_payload", "enqueue_id"])
def test_nobody_chooses_a_jobs_id(place: Place, sessions: dict[str, Any], db: Db, function: str, which: str) -> None:
    """A forgotten holder of the job that was could complete the one with its id; after the last id there is none."""
    old = db.a_job("IN_PROGRESS")["id"]
    db.jobs.complete("default", old, 1)
    producer, id = sessions[PRODUCER], str(old) if "job" in which else which
    place.execute(producer, f"set insert_id = {id}")
    passed = {"enqueue_many": "'[{}, {}]'"}.get(function, "'{}'")
    call = f"jobs.{function}('default', {passed}, null, null, null, null)"
    before, refusal = db.snapshot(), ""
    try:
        place.execute(producer, f"{'select' if function == 'enqueue_id' else 'call'} {call}")
    except pymysql.MySQLError as error:
        refusal = str(error)
    if refusal or id not in ("0", "-1"):  # MariaDB takes these for none
        assert "insert_id is set" in refusal
        assert db.snapshot() == before
    next = db.jobs.enqueue("default")
    assert old < next < old + 100
    assert all(job["id"] > old for job in db.all_jobs())
