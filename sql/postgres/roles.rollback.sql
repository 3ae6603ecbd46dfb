-- Takes back what roles.sql did: the schema and all in it is yours again, and the five roles go, unless something
-- outside this schema needs them. Jobs stay; workers that logged in as a member are refused from now on, and a call
-- that had begun may be.
--
--     psql -f sql/postgres/roles.rollback.sql    -v schema=jobs_eu for another schema

\set ON_ERROR_STOP on
\if :{?schema}
\else
\set schema jobs
\endif

begin;
set local quote_all_identifiers = off;  -- as install.sql
select pg_advisory_xact_lock(hashtextextended('ectojob migrate ' || :'schema', 0)) \g /dev/null
set local search_path = :"schema", pg_temp;

set local ectojob.migrating = on;
\ir deploy/lock_relations.sql
\ir roles/take_back.sql
\ir roles/drop_roles.sql

commit;
