drop index job_held;
create index job_held on job (queue, expires) where state in ('RESERVED', 'IN_PROGRESS');
comment on index job_held is 'Asked by reactivate_expired and next_due: which leases have ended?';
comment on column job.updated_at is 'When it last changed state, or its lease was extended.';

delete from migration
where id = '0004_job_held';
