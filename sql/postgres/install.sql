-- ectojob for PostgreSQL: the whole installation, in load order; its table of contents; and its entry point for psql:
--
--     psql -f sql/postgres/install.sql                      into schema jobs
--     psql -v schema=jobs_eu -f sql/postgres/install.sql    into any other
--
-- One transaction. Run it again to upgrade: migrations that the schema has are passed over, everything else is
-- replaced.

\set ON_ERROR_STOP on
\if :{?schema}
\else
\set schema jobs
\endif

begin;
set local quote_all_identifiers = off;  -- how our functions' paths are written, by which they are known
set local client_min_messages = warning;
select pg_advisory_xact_lock(hashtextextended('ectojob migrate ' || :'schema', 0)) \g /dev/null
select to_regnamespace(quote_ident(:'schema')) is null as missing \gset
\if :missing
create schema :"schema";
\endif
set local search_path = :"schema", pg_temp;

-- Whether it can go ahead.

\ir deploy/check_schema.sql

-- Tables: each migration once.

select to_regclass('migration') is null as pending \gset
\if :pending
\ir ../../migrations/postgres/0001_queue.sql
\endif
select not exists (select from migration where id = '0002_job') as pending \gset
\if :pending
\ir ../../migrations/postgres/0002_job.sql
\endif
select not exists (select from migration where id = '0003_ectojob_view') as pending \gset
\if :pending
\ir ../../migrations/postgres/0003_ectojob_view.sql
\endif

-- Those that lock job. With ./, as post-apply.py reads no such line: for yoyo each is a transaction, and over by then.

select count(*) < 3 as pending from migration
where id in ('0004_job_held', '0005_job_rules', '0006_job_pkey_room') \gset
\if :pending
set local ectojob.migrating = on;
\ir ./deploy/lock_relations.sql
\endif
select not exists (select from migration where id = '0004_job_held') as pending \gset
\if :pending
\ir ../../migrations/postgres/0004_job_held.sql
\endif
select not exists (select from migration where id = '0005_job_rules') as pending \gset
\if :pending
\ir ../../migrations/postgres/0005_job_rules.sql
\endif
select not exists (select from migration where id = '0006_job_pkey_room') as pending \gset
\if :pending
\ir ../../migrations/postgres/0006_job_pkey_room.sql
\endif

-- The functions. A session plans a statement once and keeps the plan; an idle worker's, while there is no job: then it
-- looks best to read the whole table, or any index of the queue, and a burst of jobs would be searched through for each
-- of them until the next ANALYZE. So a function that asks for jobs settles its plan by enable_seqscan; where the key
-- does not, by enable_sort and an order that one index has. force_generic_plan: planning took a third of a claim.
--
-- What former releases had, before what takes its place.

\ir deploy/former_functions.sql

-- Support: what the transitions lean on.

\ir support/raise_lease_lost.sql
\ir support/raise_not_failed.sql
\ir support/raise_unknown_queue.sql
\ir support/check_array.sql
\ir support/check_batch.sql
\ir support/check_demand.sql
\ir support/check_job.sql
\ir support/check_key.sql
\ir support/check_max_attempts.sql
\ir support/check_moment.sql
\ir support/check_params.sql
\ir support/check_queue.sql
\ir support/check_queue_name.sql
\ir support/check_retry_in.sql
\ir support/check_timeout.sql
\ir support/announce.sql
\ir support/complete_rest.sql
\ir support/is_former_worker.sql
\ir support/someone_sleeps.sql
\ir support/lock_available.sql
\ir support/payload_params.sql
\ir support/queue_settings.sql
\ir support/swept_queues.sql
\ir support/tell_scheduled.sql
\ir support/wake.sql

-- Queues and their settings.

\ir queues/create_queue.sql
\ir queues/drop_queue.sql
\ir queues/pause_queue.sql
\ir queues/resume_queue.sql
\ir support/version.sql

-- Sleeping and waking.

\ir sleeping/next_due.sql
\ir sleeping/fall_asleep.sql
\ir sleeping/in_flight.sql
\ir sleeping/wake_up.sql

-- Transitions: one file, one function, one arrow of the state diagram.

\ir transitions/enqueue.sql
\ir transitions/enqueue_many.sql
\ir support/enqueue_payload.sql
\ir transitions/reserve_batch.sql
\ir transitions/begin_attempt.sql
\ir transitions/claim_batch.sql
\ir transitions/complete.sql
\ir transitions/complete_batch.sql
\ir transitions/fail.sql
\ir transitions/extend.sql
\ir transitions/release.sql
\ir transitions/activate_scheduled.sql
\ir transitions/reactivate_expired.sql
\ir transitions/requeue.sql
\ir transitions/remove.sql

-- EctoJob: a view in its table's place, and how a table of its is taken over and given back.

\ir ectojob/ectojob_relation.sql
\ir ectojob/ectojob_job.sql
\ir ectojob/ectojob_check.sql
\ir ectojob/ectojob_announce.sql
\ir ectojob/ectojob_rules.sql
\ir ectojob/ectojob_reserve.sql
\ir ectojob/ectojob_move.sql
\ir ectojob/ectojob_insert.sql
\ir ectojob/ectojob_update.sql
\ir ectojob/ectojob_delete.sql
\ir ectojob/ectojob_wake.sql
\ir ectojob/ectojob_model.sql
\ir ectojob/ectojob_params.sql
\ir ectojob/ectojob_expose.sql
\ir ectojob/ectojob_attach.sql
\ir ectojob/ectojob_detach.sql
\ir ectojob/create_ectojob_view.sql
\ir ectojob/drop_ectojob_view.sql
\ir ectojob/ectojob_has_priority.sql
\ir ectojob/ectojob_call.sql
\ir ectojob/ectojob_columns.sql
\ir ectojob/ectojob_dependents.sql
\ir ectojob/ectojob_census.sql
\ir ectojob/ectojob_plan.sql
\ir ectojob/ectojob_advance.sql
\ir ectojob/ectojob_take.sql
\ir ectojob/ectojob_lock.sql
\ir ectojob/ectojob_grant.sql
\ir ectojob/ectojob_replace.sql
\ir ectojob/ectojob_return_plan.sql
\ir ectojob/ectojob_give_back.sql
\ir ectojob/adopt.sql
\ir ectojob/unadopt.sql

-- What is not replaced while others use it, and so comes late: wake-ups on insert, and views for people.

\ir deploy/lock_relations.sql
\ir triggers/wake_on_insert.sql

\ir views/queue_depth.sql
\ir views/job_state.sql
\ir views/running.sql
\ir views/overdue.sql
\ir views/failed.sql

-- Who may do what. The last two do nothing unless roles.sql has been here.

\ir deploy/former_rights.sql
\ir deploy/privileges.sql
\ir roles/hand_over.sql
\ir roles/grants.sql

-- What the planner should know.

\ir deploy/queue_statistics.sql

commit;
