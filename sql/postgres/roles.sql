-- Roles, for those who should not be the owner of everything. A script of its own, because on some servers an
-- application may create no roles; without it everything works for whoever installed ectojob.
--
--     psql -f sql/postgres/roles.sql                      for schema jobs: jobs_owner, jobs_producer, jobs_worker,
--                                                         jobs_reader, jobs_admin
--     psql -v schema=jobs_eu -f sql/postgres/roles.sql    for any other: jobs_eu_owner, ...
--
-- One transaction, after install.sql; run it again whenever you like. None of the roles can log in: grant them to those
-- who do. From now on every deploy hands what it made to the owner role, and grants what is new. roles.rollback.sql
-- undoes it.

\set ON_ERROR_STOP on
\if :{?schema}
\else
\set schema jobs
\endif

begin;
set local quote_all_identifiers = off;  -- as install.sql
set local client_min_messages = warning;
select pg_advisory_xact_lock(hashtextextended('ectojob migrate ' || :'schema', 0)) \g /dev/null
set local search_path = :"schema", pg_temp;

\ir roles/create_roles.sql
set local ectojob.migrating = on;
\ir deploy/lock_relations.sql
\ir deploy/privileges.sql
\ir roles/hand_over.sql
\ir roles/grants.sql

commit;
