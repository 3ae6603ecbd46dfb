"""What the catalog says of the installation, against what the files say."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ectojob_py.migrate import ROOT

Conn = psycopg.Connection[Any]

SQL = ROOT / "sql" / "postgres"
FUNCTION_FILES = sorted(
    path
    for folder in ("transitions", "queues", "sleeping", "support", "triggers", "ectojob")
    for path in (SQL / folder).glob("*.sql")
)
SQL_TEXTS = sorted([*(ROOT / "sql").rglob("*.sql"), *(ROOT / "migrations").rglob("*.sql")])

KEY = "queue text, id bigint, attempt integer"
ENQUEUE = (
    "schedule timestamp with time zone DEFAULT NULL::timestamp with time zone, "
    "max_attempts integer DEFAULT NULL::integer, priority integer DEFAULT 0, notify text DEFAULT NULL::text"
)
ADOPTION = "dry_run boolean DEFAULT false, lock_timeout interval DEFAULT '00:00:02'::interval"
AFTER = (
    "after_priority integer DEFAULT NULL::integer, "
    "after_schedule timestamp with time zone DEFAULT NULL::timestamp with time zone, "
    "after_id bigint DEFAULT NULL::bigint"
)
API = {
    "enqueue": (f"queue text, params jsonb DEFAULT '{{}}'::jsonb, {ENQUEUE}", "bigint"),
    "enqueue_many": (f"queue text, params jsonb[], {ENQUEUE}", "SETOF bigint"),
    "reserve_batch": (
        f"queue text, demand integer, reservation_timeout interval DEFAULT NULL::interval, {AFTER}",
        "SETOF jobs.job",
    ),
    "claim_batch": (
        f"queue text, demand integer, execution_timeout interval DEFAULT NULL::interval, {AFTER}",
        "SETOF jobs.job",
    ),
    "begin_attempt": (KEY, "SETOF jobs.job"),
    "complete": (KEY, "void"),
    "complete_batch": ("queue text, ids bigint[], attempts integer[]", "void"),
    "fail": (f"{KEY}, error text DEFAULT NULL::text, retry_in interval DEFAULT NULL::interval", "SETOF jobs.job"),
    "extend": (f"{KEY}, by interval DEFAULT NULL::interval", "SETOF jobs.job"),
    "release": (KEY, "SETOF jobs.job"),
    "activate_scheduled": ("queue text DEFAULT NULL::text", "bigint"),
    "reactivate_expired": ("queue text DEFAULT NULL::text", "bigint"),
    "requeue": ("queue text, id bigint", "SETOF jobs.job"),
    "remove": ("queue text, id bigint", "SETOF jobs.job"),
    "create_queue": (
        "queue text, max_attempts integer DEFAULT NULL::integer, "
        "reservation_timeout interval DEFAULT NULL::interval, execution_timeout interval DEFAULT NULL::interval, "
        "retry_timeout interval DEFAULT NULL::interval",
        "jobs.queue",
    ),
    "drop_queue": ("queue text, force boolean DEFAULT false", "void"),
    "pause_queue": ("queue text", "void"),
    "resume_queue": ("queue text", "void"),
    "next_due": ("queue text", "timestamp with time zone"),
    "version": ("", "text"),
    "enqueue_payload": (f"queue text, payload bytea, {ENQUEUE}", "bigint"),
    "create_ectojob_view": ("queue text, relation text, params_type text DEFAULT 'map'::text", "void"),
    "drop_ectojob_view": ("queue text", "void"),
    "adopt": (f"queue text, relation text, {ADOPTION}", "jsonb"),
    "unadopt": (f"queue text, {ADOPTION}", "jsonb"),
    "fall_asleep": ("queue text", "xid8"),
    "in_flight": ("before xid8", "boolean"),
    "wake_up": ("queue text", "void"),
}
ECTOJOB_API = ("create_ectojob_view", "drop_ectojob_view", "adopt", "unadopt")
"""They make, rename and drop relations of the caller's, and so run with the caller's rights."""
TRIGGERS = ("wake_on_insert", "ectojob_insert", "ectojob_update", "ectojob_delete", "ectojob_wake")
WHOLE = ("drop_queue", "ectojob_census", "ectojob_expose", "ectojob_give_back", "ectojob_return_plan")
"""They read whole queues."""
NAMES_RELATIONS = {path.stem for path in (SQL / "ectojob").glob("*.sql")}
TRANSITIONS = {
    "enqueue", "enqueue_many", "reserve_batch", "claim_batch", "begin_attempt", "complete", "complete_batch", "fail",
    "extend", "release", "activate_scheduled", "reactivate_expired", "requeue", "remove",
}  # fmt: skip

FUNCTIONS = """
select
    proname,
    prosrc,
    pg_get_function_arguments(oid),
    pg_get_function_result(oid),
    proconfig,
    case provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
    case proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
    case when prosecdef then 'definer' else 'invoker' end,
    obj_description(oid, 'pg_proc')
from pg_proc where pronamespace = 'jobs'::regnamespace order by proname
"""


@pytest.fixture
def conn(watch: Conn) -> Conn:
    return watch


def name(path: Path) -> str:
    return path.stem


def functions(conn: Conn) -> list[tuple[Any, ...]]:
    return conn.execute(FUNCTIONS).fetchall()


# Functions


def test_the_functions_are_the_files_and_there_are_no_overloads(conn: Conn) -> None:
    assert [row[0] for row in functions(conn)] == sorted(map(name, FUNCTION_FILES))


def test_the_manifest_names_every_file_once() -> None:
    lines = re.findall(r"^\\ir (?!roles/|\./)(\S+)$", (SQL / "install.sql").read_text(), re.MULTILINE)
    files = [str(path.relative_to(SQL)) for path in SQL.glob("*/*.sql") if path.parent.name != "roles"]
    migrations = [
        f"../../migrations/postgres/{path.name}" for path in (ROOT / "migrations/postgres").glob("*[a-z].sql")
    ]
    migrations = [path for path in migrations if not path.endswith(".rollback.sql")]
    assert sorted(lines) == sorted(files + migrations)


def test_the_transitions_are_the_arrows_of_the_state_machine() -> None:
    assert set(map(name, (SQL / "transitions").glob("*.sql"))) == TRANSITIONS


def test_signatures_are_public_api(conn: Conn) -> None:
    assert {row[0]: (row[2], row[3]) for row in functions(conn) if row[0] in API} == API


def test_every_function_is_pinned_to_its_schema(conn: Conn) -> None:
    assert {row[0]: row[4][0] for row in functions(conn)} == {
        name(path): "search_path=jobs, pg_temp" for path in FUNCTION_FILES
    }


def test_no_function_that_asks_for_jobs_leaves_the_plan_to_what_the_planner_knew_once(conn: Conn) -> None:
    asks = {row[0] for row in functions(conn) if re.search(r"\b(from|join|update) job\b", row[1])}
    assert {row[0] for row in functions(conn) if "enable_seqscan=off" in row[4]} == asks - set(WHOLE)


@pytest.mark.parametrize("path", FUNCTION_FILES, ids=name)
def test_a_file_says_all_that_the_catalog_knows(path: Path, conn: Conn) -> None:
    text = path.read_text()
    [said] = re.findall(
        r"^create or replace function (\w+)\((?:\n.*?\n)?\)\nreturns .*?\nlanguage plpgsql\n"
        r"(immutable|stable|volatile)\nparallel (safe|restricted|unsafe)\n"
        r"security (definer|invoker)\nset search_path from current\n(?:set \w+ = \w+\n)*as \$\$\n",
        text,
        re.MULTILINE | re.DOTALL,
    )
    [row] = [row for row in functions(conn) if row[0] == path.stem]
    assert said == (path.stem, *row[5:8])
    assert row[8]
    assert text.count("create or replace function") == text.count("comment on function") == 1
    assert text.count("\n") <= 60


def test_the_public_functions_run_as_their_owner_and_the_others_say_that_they_are_internal(conn: Conn) -> None:
    for function, *_, security, comment in functions(conn):
        internal = function not in API
        assert comment.startswith("Internal.") == internal, function
        owner = function in TRIGGERS or (not internal and function not in ECTOJOB_API)
        assert security == ("definer" if owner else "invoker"), function


@pytest.mark.parametrize("path", sorted((SQL / "transitions").glob("*.sql")), ids=name)
def test_the_first_line_of_a_transition_is_its_arrow(path: Path) -> None:
    state = r"(\(none\)|\(deleted\)|SCHEDULED|AVAILABLE|RESERVED|IN_PROGRESS|RETRY|FAILED)"
    assert re.match(rf"-- {state}(, {state})* -> {state}", path.read_text().splitlines()[0])


def test_no_function_puts_statements_together_but_those_that_are_given_a_relation(conn: Conn) -> None:
    dynamic = {row[0] for row in functions(conn) if re.search(r"\bexecute format\b", row[1], re.IGNORECASE)}
    executing = {row[0] for row in functions(conn) if re.search(r"\bexecute (?!function)", row[1], re.IGNORECASE)}
    assert executing == dynamic < NAMES_RELATIONS


def test_nobody_may_call_a_function_unless_it_is_granted(conn: Conn) -> None:
    public = conn.execute(
        "select proname from pg_proc cross join aclexplode(coalesce(proacl, acldefault('f', proowner))) as acl "
        "where pronamespace = 'jobs'::regnamespace and acl.grantee = 0"
    )
    assert public.fetchall() == []


def test_nobody_has_rights_on_tables_and_views_and_the_schema(conn: Conn) -> None:
    public = conn.execute(
        "select relname from pg_class cross join aclexplode(relacl) as acl "
        "where relnamespace = 'jobs'::regnamespace and acl.grantee <> relowner "
        "union all select nspname from pg_namespace cross join aclexplode(nspacl) as acl "
        "where nspname = 'jobs' and acl.grantee <> nspowner"
    )
    assert public.fetchall() == []


def test_a_name_that_pg_catalog_has_too_is_told_from_it(conn: Conn) -> None:
    """pg_catalog is searched before any path: an unqualified name in a file would mean its function, not ours."""
    twins = conn.execute(
        "select obj_description(pg_catalog.oid, 'pg_proc') "
        "from pg_proc as pg_catalog join pg_proc as ours using (proname) "
        "where ours.pronamespace = 'jobs'::regnamespace and pg_catalog.pronamespace = 'pg_catalog'::regnamespace"
    )
    assert twins.fetchall() == [("PostgreSQL version string",)]
    assert [path.stem for path in FUNCTION_FILES if re.search(r"(?<![\w.])version\(\)", path.read_text())] == [
        "version"
    ]


# Tables and views

UNCOMMENTED = """
with ours as (
    select oid, relname::text, relkind from pg_class
    where relnamespace = 'jobs'::regnamespace and relname !~ '^_?yoyo'
)
select relname from ours
where relkind in ('r', 'v') and obj_description(oid, 'pg_class') is null
union all
select typname from pg_type left join pg_class on pg_class.oid = typrelid
where typnamespace = 'jobs'::regnamespace and (typtype = 'd' or pg_class.relkind = 'c')
    and obj_description(pg_type.oid, 'pg_type') is null
union all
select relname || '.' || attname from ours join pg_attribute on attrelid = oid
where relkind = 'r' and attnum > 0 and not attisdropped and col_description(oid, attnum) is null
union all
select relname from ours
where relkind = 'i' and obj_description(oid, 'pg_class') is null
    and not exists (select from pg_constraint where conindid = ours.oid)
    and not exists (select from pg_index where indexrelid = ours.oid and indrelid::regclass::text ~ '_?yoyo')
union all
select tgname from pg_trigger join ours on ours.oid = tgrelid
where not tgisinternal and obj_description(pg_trigger.oid, 'pg_trigger') is null
"""


def test_everything_has_a_comment(conn: Conn) -> None:
    assert conn.execute(UNCOMMENTED).fetchall() == []
    [tables] = conn.execute("select count(*) from pg_class where relnamespace = 'jobs'::regnamespace").fetchall()
    assert tables[0] > 10


def test_the_views_are_the_files(conn: Conn) -> None:
    views = conn.execute("select viewname from pg_views where schemaname = 'jobs' order by viewname")
    assert [row[0] for row in views] == sorted(map(name, (SQL / "views").glob("*.sql")))


def test_the_views_can_be_read_and_hold_no_params(conn: Conn) -> None:
    for path in (SQL / "views").glob("*.sql"):
        columns = conn.execute(f"select * from jobs.{path.stem}".encode()).description or []
        assert columns
        assert "params" not in [column.name for column in columns]


def test_every_constraint_has_a_name_of_its_own(conn: Conn) -> None:
    constraints = conn.execute(
        "select conname from pg_constraint where connamespace = 'jobs'::regnamespace and contype in ('c', 'f', 'x') "
        "and conname ~ '(_check|_key|_fkey)[0-9]*$' and conrelid::regclass::text !~ 'yoyo'"
    )
    assert constraints.fetchall() == []


# Texts


@pytest.mark.parametrize("path", SQL_TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_fits_the_screen(path: Path) -> None:
    text = path.read_text()
    assert [line for line in text.splitlines() if len(line) > 120 or line != line.rstrip()] == []
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_a_migration_holds_no_replaceable_object() -> None:
    for path in (ROOT / "migrations/postgres").glob("*.sql"):
        if not path.name.endswith(".rollback.sql"):
            assert not re.search(r"\bcreate (or replace )?(function|view|trigger|procedure)\b", path.read_text()), path


def test_a_constant_means_the_same_to_a_session_of_nonconforming_strings() -> None:
    """Where ``standard_conforming_strings`` is off, a backslash is an escape in any constant; in an ``e''``, always."""
    constant = re.compile(r"(\w?)'((?:[^']|'')*(?:'\s*\n\s*'(?:[^']|'')*)*)'")
    for path in [*SQL.rglob("*.sql"), *(ROOT / "migrations/postgres").glob("*.sql")]:
        code = re.sub(r"--.*|^\\.*", "", path.read_text(), flags=re.MULTILINE)
        assert [text for kind, text in constant.findall(code) if "\\" in text and kind != "e"] == [], path
