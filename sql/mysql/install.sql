-- ectojob for MySQL and MariaDB: the whole installation, in load order; its table of contents; and its entry point for
-- the client, into the database named, from this folder because `source` starts from where the client stands:
--
--     cd sql/mysql && mariadb --comments jobs < install.sql
--
-- Run it again to upgrade: tables that exist stay, everything else is replaced. On MariaDB a procedure is replaced
-- while others call it; MySQL has none for a moment, and callers see error 1305, or 1370, meanwhile.

set names utf8mb4;

-- Over an installation with roles this stops before it changes anything: it would take them away. There is no signal
-- outside of a procedure, so the message is a mode that no server has.

set sql_mode = (
    select if(
        count(*) > 0,
        'there are roles here: use ectojob migrate',
        'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'
    )
    from information_schema.routines
    where routine_schema = database() and definer = concat(database(), '_owner@localhost')
);
do get_lock(concat('ectojob migrate ', left(sha2(database(), 256), 40)), 3600);

-- Tables.

source ../../migrations/mysql/0001_queue.sql
source ../../migrations/mysql/0002_job.sql

-- Support: what the transitions lean on. From here on a file is one statement, and on MySQL a drop before it.

delimiter //
source support/raise_batch_lost.sql
source support/raise_invalid.sql
source support/raise_lease_lost.sql
source support/raise_not_failed.sql
source support/raise_numbered.sql
source support/raise_queue_not_empty.sql
source support/raise_read_only.sql
source support/raise_unknown_queue.sql
source support/check_array.sql
source support/check_batch.sql
source support/check_demand.sql
source support/check_job.sql
source support/check_key.sql
source support/check_max_attempts.sql
source support/check_params.sql
source support/check_queue.sql
source support/check_queue_name.sql
source support/check_retry_in.sql
source support/check_timeout.sql
source support/check_unfinished.sql
source support/begin_call.sql
source support/end_call.sql
source support/give_batch.sql
source support/give_job.sql
source support/insert_job.sql
source support/next_queue.sql
source support/queue_settings.sql
source support/swept_queue.sql
source support/waiter_lock.sql

-- Queues and their settings.

source queues/create_queue.sql
source queues/drop_queue.sql
source queues/pause_queue.sql
source queues/resume_queue.sql
source support/version.sql

-- Sleeping and waking.

source sleeping/next_due.sql
source sleeping/wait_for_job.sql
source sleeping/wake.sql

-- Transitions: one file, one procedure, one arrow of the state diagram.

source transitions/enqueue.sql
source transitions/enqueue_many.sql
source support/enqueue_payload.sql
source transitions/reserve_batch.sql
source transitions/begin_attempt.sql
source transitions/claim_batch.sql
source transitions/complete.sql
source transitions/complete_batch.sql
source transitions/fail.sql
source transitions/extend.sql
source transitions/release.sql
source transitions/activate_scheduled.sql
source transitions/reactivate_expired.sql
source transitions/requeue.sql
source transitions/remove.sql

-- Views for people.

source views/queue_depth.sql
source views/job_state.sql
source views/running.sql
source views/overdue.sql
source views/failed.sql

-- A function, last because a server that writes a binary log may refuse it with 1418 or 1419; everything else is there
-- by then. Allow it with: set global log_bin_trust_function_creators = 1

source support/enqueue_id.sql
