"""Faults of the SQL that must not live: what is changed, and the test that notices."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A fault: a file below ``sql/``, a text that is there once, what stands there instead, and the test it fails.

    ``{db}`` in the test is the server it is tried on. The test passes without the fault.
    """

    name: str
    file: str
    text: str
    instead: str
    test: str


STATES = "contract/test_state_machine.py::test_each_transition_from_each_state[{db}-%s]"
ORDERS = "faults/test_orders.py::test_every_order_of_two_transactions[{db}-%s]"
SENDS = "postgres/test_wakeups.py::test_what_a_call_sends[{db}-%s]"
TWO = "postgres/test_interleavings.py::"

POSTGRES = [
    Mutant(
        "complete: no fence",
        "transitions/complete.sql",
        "        and job.attempt = complete.attempt\n",
        "",
        STATES % "complete_stale-IN_PROGRESS",
    ),
    Mutant(
        "complete: the state is not checked",
        "transitions/complete.sql",
        "        and job.state = 'IN_PROGRESS'\n",
        "",
        STATES % "complete-RESERVED",
    ),
    Mutant(
        "complete: a lost lease is not raised",
        "transitions/complete.sql",
        "perform raise_lease_lost(complete.queue, complete.id, complete.attempt)",
        "perform check_key(complete.queue, complete.id, complete.attempt)",
        ORDERS % "complete expired-reactivate_expired",
    ),
    Mutant(
        "complete: notify dropped",
        "transitions/complete.sql",
        "perform announce(",
        "perform format('%s', ",
        SENDS % "complete of IN_PROGRESS",
    ),
    Mutant(
        "complete: search path not pinned",
        "transitions/complete.sql",
        "set search_path from current\n",
        "",
        "postgres/test_catalog.py::test_every_function_is_pinned_to_its_schema[{db}]",
    ),
    Mutant(
        "complete: runs as its caller",
        "transitions/complete.sql",
        "security definer",
        "security invoker",
        "postgres/test_catalog.py::test_a_file_says_all_that_the_catalog_knows[{db}-complete]",
    ),
    Mutant(
        "complete_batch: a job may be named twice",
        "support/complete_rest.sql",
        "        or held.place > array_position(complete_rest.ids, held.id)",
        "",
        "contract/test_complete_batch.py::test_the_same_job_twice_completes_none[{db}]",
    ),
    Mutant(
        "complete_batch: no fence",
        "transitions/complete_batch.sql",
        "            and job.attempt = complete_batch.attempts[array_position(complete_batch.ids, job.id)]\n",
        "",
        STATES % "complete_batch_stale-IN_PROGRESS",
    ),
    Mutant(
        "complete_batch: the state is not checked",
        "transitions/complete_batch.sql",
        "            and job.state = 'IN_PROGRESS'\n",
        "",
        ORDERS % "complete_batch-reactivate_expired",
    ),
    Mutant(
        "complete_batch: some instead of all",
        "transitions/complete_batch.sql",
        "if cardinality(v_done) < cardinality(complete_batch.ids) then",
        "if cardinality(v_done) = 0 and cardinality(complete_batch.ids) > 0 then",
        "contract/test_complete_batch.py::test_one_lost_lease_completes_none[{db}-1]",
    ),
    Mutant(
        "fail: no fence",
        "transitions/fail.sql",
        "        and job.attempt = fail.attempt\n",
        "",
        STATES % "fail_stale-IN_PROGRESS",
    ),
    Mutant(
        "fail: the state is not checked",
        "transitions/fail.sql",
        "        and job.state = 'IN_PROGRESS'\n",
        "",
        STATES % "fail-AVAILABLE",
    ),
    Mutant(
        "fail: FAILED one attempt early",
        "transitions/fail.sql",
        "state = case when job.attempt < job.max_attempts then",
        "state = case when job.attempt < job.max_attempts - 1 then",
        "contract/test_fail.py::test_the_job_is_tried_max_attempts_times[{db}]",
    ),
    Mutant(
        "fail: the wait does not grow",
        "transitions/fail.sql",
        "queue.retry_timeout * job.attempt",
        "queue.retry_timeout",
        "contract/test_fail.py::test_a_failed_attempt_waits_for_the_retry_timeout_times_the_attempt[{db}]",
    ),
    Mutant(
        "fail: an error is kept whole",
        "transitions/fail.sql",
        "left(fail.error, 10000)",
        "fail.error",
        "contract/test_fail.py::test_ten_thousand_characters_of_an_error_are_kept[{db}-x]",
    ),
    Mutant(
        "extend: no fence",
        "transitions/extend.sql",
        "        and job.attempt = extend.attempt\n",
        "",
        STATES % "extend_stale-IN_PROGRESS",
    ),
    Mutant(
        "extend: a lease can be shortened",
        "transitions/extend.sql",
        "then greatest(job.expires, clock_timestamp() + queue.execution_timeout * job.attempt)",
        "then clock_timestamp() + queue.execution_timeout * job.attempt",
        "contract/test_extend.py::test_null_never_shortens_a_lease[{db}]",
    ),
    Mutant(
        "release: max_attempts not raised",
        "transitions/release.sql",
        "then 1 else 0 end",
        "then 0 else 0 end",
        "contract/test_release.py::test_deploys_use_up_no_attempts[{db}]",
    ),
    Mutant(
        "release: no fence",
        "transitions/release.sql",
        "        and job.attempt = release.attempt\n",
        "",
        STATES % "release_stale-IN_PROGRESS",
    ),
    Mutant(
        "release: nobody is woken",
        "transitions/release.sql",
        "    perform wake(release.queue);\n",
        "",
        SENDS % "release of RESERVED",
    ),
    Mutant(
        "begin_attempt: the reservation's end is not checked",
        "transitions/begin_attempt.sql",
        "coalesce(job.expires, '-infinity') >= clock_timestamp()",
        "true",
        STATES % "begin_attempt_late-RESERVED",
    ),
    Mutant(
        "begin_attempt: the state is not checked",
        "transitions/begin_attempt.sql",
        "        and job.state = 'RESERVED'\n",
        "",
        STATES % "begin_attempt-IN_PROGRESS",
    ),
    Mutant(
        "begin_attempt: the attempt is not counted",
        "transitions/begin_attempt.sql",
        "attempt = job.attempt + 1",
        "attempt = greatest(job.attempt, 1)",
        STATES % "begin_attempt-RESERVED",
    ),
    Mutant(
        "claim_batch: a lease from the transaction's start",
        "transitions/claim_batch.sql",
        "expires = clock_timestamp()\n",
        "expires = now()\n",
        TWO + "test_a_lease_granted_late_in_a_long_transaction_is_not_born_expired[{db}-claim_batch]",
    ),
    Mutant(
        "claim_batch: limit inside an IN subquery",
        "transitions/claim_batch.sql",
        "where job.ctid = any(v_rows)",
        "where job.queue = claim_batch.queue and job.id in (select next.id from job as next "
        "where next.queue = job.queue and next.state = 'AVAILABLE' and next.id <= job.id + 0 * random() "
        "order by next.id desc limit 1 for update skip locked)",
        "contract/test_taking.py::test_no_more_than_demand[{db}-claim_batch]",
    ),
    Mutant(
        "claim_batch: the attempt is not counted",
        "transitions/claim_batch.sql",
        "attempt = job.attempt + 1,",
        "attempt = greatest(job.attempt, 1),",
        STATES % "claim_batch-AVAILABLE",
    ),
    Mutant(
        "reserve_batch: a lease from the transaction's start",
        "transitions/reserve_batch.sql",
        "expires = clock_timestamp()",
        "expires = now()",
        TWO + "test_a_lease_granted_late_in_a_long_transaction_is_not_born_expired[{db}-reserve_batch]",
    ),
    Mutant(
        "takers: skip locked dropped",
        "support/lock_available.sql",
        "for update skip locked",
        "for update",
        TWO + "test_two_takers_never_share_a_job_and_never_wait[{db}-claims-claims]",
    ),
    Mutant(
        "takers: no lock at all",
        "support/lock_available.sql",
        "        for update skip locked\n",
        "",
        ORDERS % "reserve_batch-claim_batch",
    ),
    Mutant(
        "takers: no order",
        "support/lock_available.sql",
        "order by job.priority, job.schedule, job.id",
        "order by job.id",
        "contract/test_taking.py::test_each_call_takes_the_next_ones_of_that_order[{db}-reserve_batch]",
    ),
    Mutant(
        "takers: a pause is ignored",
        "support/lock_available.sql",
        "if (lock_available.queue).paused_at is not null then",
        "if false then",
        "contract/test_taking.py::test_a_paused_queue_hands_out_nothing[{db}-claim_batch]",
    ),
    Mutant(
        "wake: dropped",
        "support/wake.sql",
        "perform pg_notify(",
        "perform format('%s %s', ",
        "postgres/test_wakeups.py::test_many_enqueues_of_one_transaction_wake_once[{db}]",
    ),
    Mutant(
        "enqueue: a schedule is ignored",
        "transitions/enqueue.sql",
        "case when enqueue.schedule > v_now then 'SCHEDULED' else 'AVAILABLE' end",
        "'AVAILABLE'",
        "contract/test_enqueue.py::test_a_schedule_to_come_is_scheduled[{db}]",
    ),
    Mutant(
        "activate_scheduled: before the schedule has come",
        "transitions/activate_scheduled.sql",
        " and job.schedule <= v_now\n",
        "\n",
        STATES % "activate_scheduled-SCHEDULED",
    ),
    Mutant(
        "activate_scheduled: waits for others",
        "transitions/activate_scheduled.sql",
        "for update skip locked",
        "for update",
        TWO + "test_two_sweeps_of_due_jobs_never_wait_for_each_other[{db}]",
    ),
    Mutant(
        "reactivate_expired: live leases, too",
        "transitions/reactivate_expired.sql",
        " and job.expires < v_now\n",
        "\n",
        STATES % "reactivate_expired-IN_PROGRESS",
    ),
    Mutant(
        "reactivate_expired: a wasted reservation is not counted",
        "transitions/reactivate_expired.sql",
        "attempt = job.attempt + (job.state = 'RESERVED')::integer,",
        "attempt = job.attempt,",
        "contract/test_reactivate_expired.py::test_a_wasted_reservation_counts_as_an_attempt[{db}]",
    ),
    Mutant(
        "reactivate_expired: what somebody is completing, too",
        "transitions/reactivate_expired.sql",
        "order by job.expires for update skip locked  --",
        "order by job.expires  --",
        ORDERS % "complete expired-reactivate_expired",
    ),
    Mutant(
        "requeue: attempt reset",
        "transitions/requeue.sql",
        "        max_attempts = job.attempt + least(job.max_attempts, queue.max_attempts),\n",
        "        attempt = 0,\n",
        "contract/test_requeue.py::test_attempt_is_never_reset_and_max_attempts_is_raised[{db}]",
    ),
    Mutant(
        "requeue: the state is not checked",
        "transitions/requeue.sql",
        "        and job.state = 'FAILED'\n",
        "        and job.state in ('FAILED', 'AVAILABLE')\n",
        ORDERS % "requeue-requeue",
    ),
    Mutant(
        "remove: what somebody holds, too",
        "transitions/remove.sql",
        "        and job.state not in ('RESERVED', 'IN_PROGRESS')\n",
        "",
        STATES % "remove-IN_PROGRESS",
    ),
    Mutant(
        "drop_queue: the second of two is not told",
        "support/drop_queue.sql",
        "    if not found then\n",
        "    if false then\n",
        ORDERS % "drop_queue-drop_queue",
    ),
]

MYSQL = [
    Mutant(
        "complete: no fence",
        "transitions/complete.sql",
        "        and job.attempt = p_attempt\n",
        "",
        STATES % "complete_stale-IN_PROGRESS",
    ),
    Mutant(
        "complete: the state is not checked",
        "transitions/complete.sql",
        "        and job.state = 'IN_PROGRESS';",
        ";",
        STATES % "complete-RESERVED",
    ),
    Mutant(
        "complete_batch: some instead of all",
        "transitions/complete_batch.sql",
        "if row_count() < json_length(p_ids) then",
        "if row_count() = 0 and json_length(p_ids) > 0 then",
        "contract/test_complete_batch.py::test_one_lost_lease_completes_none[{db}-1]",
    ),
    Mutant(
        "fail: no fence",
        "transitions/fail.sql",
        "        and job.attempt = p_attempt\n",
        "",
        STATES % "fail_stale-IN_PROGRESS",
    ),
    Mutant(
        "fail: FAILED one attempt early",
        "transitions/fail.sql",
        "state = if(job.attempt < job.max_attempts,",
        "state = if(job.attempt < job.max_attempts - 1,",
        "contract/test_fail.py::test_the_job_is_tried_max_attempts_times[{db}]",
    ),
    Mutant(
        "release: max_attempts not raised",
        "transitions/release.sql",
        "if(job.state = 'IN_PROGRESS', 1, 0)",
        "0",
        "contract/test_release.py::test_deploys_use_up_no_attempts[{db}]",
    ),
    Mutant(
        "begin_attempt: the reservation's end is not checked",
        "transitions/begin_attempt.sql",
        "\n        and job.expires >= utc_timestamp(6);",
        ";",
        STATES % "begin_attempt_late-RESERVED",
    ),
    Mutant(
        "begin_attempt: the clock is read before it waits",
        "transitions/begin_attempt.sql",
        "    select job.id into v_id from job where job.queue = p_queue and job.id = p_id for update;\n",
        "    set v_id = p_id;\n",
        "mysql/test_atomic.py::test_a_reservation_that_ends_while_begin_waits_is_gone[{db}]",
    ),
    Mutant(
        "claim_batch: skip locked dropped",
        "transitions/claim_batch.sql",
        "for update skip locked",
        "for update",
        ORDERS % "claim_batch-claim_batch",
    ),
    Mutant(
        "claim_batch: the attempt is not counted",
        "transitions/claim_batch.sql",
        "job.attempt + 1 as attempt",
        "greatest(job.attempt, 1) as attempt",
        STATES % "claim_batch-AVAILABLE",
    ),
    Mutant(
        "reserve_batch: no order",
        "transitions/reserve_batch.sql",
        "order by job.priority, job.schedule, job.id",
        "order by job.id",
        "contract/test_taking.py::test_each_call_takes_the_next_ones_of_that_order[{db}-reserve_batch]",
    ),
    Mutant(
        "reserve_batch: a pause is ignored",
        "transitions/reserve_batch.sql",
        "if not v_paused then",
        "if true then",
        "contract/test_taking.py::test_a_paused_queue_hands_out_nothing[{db}-reserve_batch]",
    ),
    Mutant(
        "reactivate_expired: live leases, too",
        "transitions/reactivate_expired.sql",
        " and job.expires < utc_timestamp(6)\n",
        "\n",
        STATES % "reactivate_expired-IN_PROGRESS",
    ),
    Mutant(
        "reactivate_expired: a wasted reservation is not counted",
        "transitions/reactivate_expired.sql",
        "job.attempt + (job.state = 'RESERVED') as attempt",
        "job.attempt as attempt",
        "contract/test_reactivate_expired.py::test_a_wasted_reservation_counts_as_an_attempt[{db}]",
    ),
    Mutant(
        "requeue: attempt reset",
        "transitions/requeue.sql",
        "        max_attempts = job.attempt + least(job.max_attempts, v_max_attempts),\n",
        "        attempt = 0,\n",
        "contract/test_requeue.py::test_attempt_is_never_reset_and_max_attempts_is_raised[{db}]",
    ),
    Mutant(
        "remove: what somebody holds, too",
        "transitions/remove.sql",
        " and job.state not in ('RESERVED', 'IN_PROGRESS')\n",
        "\n",
        STATES % "remove-IN_PROGRESS",
    ),
    Mutant(
        "begin_call: the caller's clock",
        "support/begin_call.sql",
        "    set timestamp = default;\n",
        "",
        "mysql/test_atomic.py::test_a_stopped_clock_ends_nobodys_lease[{db}]",
    ),
    Mutant(
        "begin_call: takes the caller's transaction for its own",
        "support/begin_call.sql",
        "    set p_own = false;\n",
        "    set p_own = true;\n",
        "mysql/test_atomic.py::test_a_call_in_a_transaction_goes_with_it[{db}-read committed]",
    ),
    Mutant(
        "check_queue: waits for who pauses the queue",
        "support/check_queue.sql",
        "    select count(*) into v_found from queue where queue.name = p_queue;\n",
        "    set v_found = exists (select 1 from queue where queue.name = p_queue);\n",
        ORDERS % "complete_batch-pause_queue",
    ),
    Mutant(
        "drop_queue: the second of two is not told",
        "support/drop_queue.sql",
        "if row_count() = 0 then",
        "if false then",
        ORDERS % "drop_queue-drop_queue",
    ),
]
