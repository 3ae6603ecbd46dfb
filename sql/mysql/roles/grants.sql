-- Who may do what. A deploy says it again, because on MySQL a procedure's rights leave with the procedure.

grant execute on procedure `jobs`.`enqueue` to `jobs_producer`;
grant execute on procedure `jobs`.`enqueue_many` to `jobs_producer`;
grant execute on procedure `jobs`.`reserve_batch` to `jobs_worker`;
grant execute on procedure `jobs`.`begin_attempt` to `jobs_worker`;
grant execute on procedure `jobs`.`claim_batch` to `jobs_worker`;
grant execute on procedure `jobs`.`complete` to `jobs_worker`;
grant execute on procedure `jobs`.`complete_batch` to `jobs_worker`;
grant execute on procedure `jobs`.`fail` to `jobs_worker`;
grant execute on procedure `jobs`.`extend` to `jobs_worker`;
grant execute on procedure `jobs`.`release` to `jobs_worker`;
grant execute on procedure `jobs`.`wait_for_job` to `jobs_worker`;
grant execute on procedure `jobs`.`activate_scheduled` to `jobs_worker`, `jobs_admin`;
grant execute on procedure `jobs`.`reactivate_expired` to `jobs_worker`, `jobs_admin`;
grant execute on procedure `jobs`.`next_due` to `jobs_worker`, `jobs_admin`;
grant execute on procedure `jobs`.`create_queue` to `jobs_admin`;
grant execute on procedure `jobs`.`drop_queue` to `jobs_admin`;
grant execute on procedure `jobs`.`pause_queue` to `jobs_admin`;
grant execute on procedure `jobs`.`resume_queue` to `jobs_admin`;
grant execute on procedure `jobs`.`requeue` to `jobs_admin`;
grant execute on procedure `jobs`.`remove` to `jobs_admin`;
grant execute on procedure `jobs`.`wake` to `jobs_producer`, `jobs_worker`, `jobs_admin`;
grant execute on procedure `jobs`.`version` to `jobs_producer`, `jobs_worker`, `jobs_reader`, `jobs_admin`;
grant execute on function `jobs`.`enqueue_id` to `jobs_producer`;
grant select on `jobs`.`queue_depth` to `jobs_reader`, `jobs_admin`;
grant select on `jobs`.`running` to `jobs_reader`, `jobs_admin`;
grant select on `jobs`.`overdue` to `jobs_reader`, `jobs_admin`;
grant select on `jobs`.`failed` to `jobs_reader`, `jobs_admin`;
