-- depends: 0001_queue
--
-- The jobs of all queues, the rules that every row obeys, and one index per question that is asked of them. There
-- are no partial indexes here, so the state is a column of each. params is text, not json: MySQL would round large
-- numbers.

create table if not exists job (
    queue varchar(48) /*M! collate utf8mb4_nopad_bin */ /*!80017 collate utf8mb4_0900_bin */ not null
        comment 'The queue''s name.',
    id bigint not null auto_increment
        comment 'Numbered over all queues, in enqueuing order as far as the server gives it.',
    state varchar(11) not null
        comment 'SCHEDULED, AVAILABLE, RESERVED, IN_PROGRESS, RETRY or FAILED; FAILED is kept until requeue or remove.',
    priority integer not null comment 'Lower runs first; 0 unless said otherwise.',
    schedule datetime(6) not null comment 'Not to run before this moment; the enqueuing moment unless said otherwise.',
    expires datetime(6) comment 'When the lease of a RESERVED or IN_PROGRESS job ends; null in every other state.',
    attempt integer not null default 0
        comment 'How many attempts were begun, or wasted by an expired reservation. Never decreases: it is the fence.',
    max_attempts integer not null
        comment 'The job is FAILED once this many attempts failed; requeue and release raise it.',
    params longtext not null comment 'What the handler is given: a JSON object.',
    notify text comment 'Kept for whoever completes the job; this database sends nothing.',
    last_error text comment 'Why the last attempt failed; null before the first failure.',
    token bigint unsigned comment 'Which call reserved, claimed or enqueued it together with others.',
    inserted_at datetime(6) not null comment 'When it was enqueued.',
    updated_at datetime(6) not null comment 'When it last changed state, or its lease was extended.',
    constraint job_pkey primary key (queue, id),
    constraint job_state_is_known check (
        state in ('SCHEDULED', 'AVAILABLE', 'RESERVED', 'IN_PROGRESS', 'RETRY', 'FAILED')
    ),
    constraint job_params_is_object check (json_valid(params) and json_type(params) = 'OBJECT'),
    constraint job_attempt_is_counted check (attempt between 0 and max_attempts),
    constraint job_in_progress_is_begun check (state <> 'IN_PROGRESS' or attempt >= 1),
    constraint job_waiting_has_attempts check (state in ('IN_PROGRESS', 'FAILED') or attempt < max_attempts),
    constraint job_held_has_lease check ((state in ('RESERVED', 'IN_PROGRESS')) = (expires is not null)),
    index job_id (id) comment 'An auto_increment column must lead an index.',
    index job_available (queue, state, priority, schedule, id)
        comment 'Asked by reserve_batch and claim_batch: which jobs are next?',
    index job_due (queue, state, schedule)
        comment 'Asked by activate_scheduled and next_due: which waiting jobs are due?',
    index job_held (queue, state, expires)
        comment 'Asked by reactivate_expired and next_due: which leases have ended?',
    index job_token (token) comment 'Asked by whatever takes or makes several jobs: which ones did this call have?'
)
engine = innodb, character set utf8mb4, collate utf8mb4_bin,
comment = 'One row per job that is not completed: completing deletes it. Rows move by the procedures here alone.';

insert ignore into migration (id, applied_at) values ('0002_job', utc_timestamp(6));
