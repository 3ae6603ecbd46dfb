"""The tables that EctoJob's migrations make, as ecto_sql writes them, version by version."""

INSTALL = """
CREATE FUNCTION {prefix}fn_notify_inserted()
  RETURNS trigger AS $$
DECLARE
BEGIN
  PERFORM pg_notify(TG_TABLE_NAME, '');
  RETURN NEW;
END;
$$ LANGUAGE plpgsql
"""
CREATE = """
CREATE TABLE {prefix}"jobs" (
    "id" bigserial,
    "state" varchar(255) DEFAULT 'AVAILABLE' NOT NULL,
    "expires" {usec},
    "schedule" {usec} DEFAULT timezone('UTC', now()) NOT NULL,
    "attempt" integer DEFAULT 0 NOT NULL,
    "max_attempts" integer DEFAULT 5 NOT NULL,
    "params" {params} NOT NULL,
    "notify" varchar(255),
    {priority}
    "inserted_at" timestamp(0) NOT NULL,
    "updated_at" timestamp(0) NOT NULL,
    PRIMARY KEY ("id")
)
"""
PRIORITY = '"priority" integer DEFAULT 0 NOT NULL,'
INDEX_2 = 'CREATE INDEX "jobs_schedule_id_index" ON {prefix}"jobs" ("schedule", "id")'
INDEX_3 = 'CREATE INDEX "jobs_priority_schedule_id_index" ON {prefix}"jobs" ("priority", "schedule", "id")'
TRIGGER = """
CREATE TRIGGER tr_notify_inserted_jobs
AFTER INSERT ON {prefix}jobs
FOR EACH ROW
EXECUTE PROCEDURE {prefix}fn_notify_inserted()
"""
UPGRADE = 'ALTER TABLE {prefix}"jobs" ADD COLUMN "priority" integer DEFAULT 0 NOT NULL'

VERSIONS = ("1", "2", "3", "3-upgraded")


def migration(version: str, prefix: str | None = None, params: str = "jsonb", usec: str = "timestamp") -> list[str]:
    """Return the statements that lead to a table ``jobs`` of a version."""
    statements = {
        "1": [INSTALL, CREATE, TRIGGER],
        "2": [INSTALL, CREATE, INDEX_2, TRIGGER],
        "3": [INSTALL, CREATE, INDEX_3, TRIGGER],
        "3-upgraded": [INSTALL, CREATE, INDEX_2, TRIGGER, UPGRADE, INDEX_3],
    }[version]
    values = {
        "prefix": f"{prefix}." if prefix else "",
        "params": params,
        "usec": usec,
        "priority": PRIORITY if version == "3" else "",
    }
    return [statement.format(**values) for statement in statements]
