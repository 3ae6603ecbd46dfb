-- depends: 0003_ectojob_view
--
-- The same rows by another name. Where statistics said that nothing is held, the planner took this index for the
-- cheapest way to one IN_PROGRESS job, and read every held job of the queue for each that was completed. Nothing that
-- names a state is answered by it now, only what asks for expires.

drop index job_held;
create index job_held on job (queue, expires) where expires is not null;
comment on index job_held is 'Asked by reactivate_expired and next_due: which leases have ended?';
comment on column job.updated_at is 'When it last changed state.';

insert into migration (id) values ('0004_job_held');
