-- The queues and their settings, and the record of which migrations this schema has.
--
-- Runs with search_path = <schema>, pg_temp, so every name is unqualified and any schema will do. A migration holds
-- tables, indexes and constraints only; functions, triggers and views are reloaded from sql/postgres at every deploy.

create table migration (
    id text collate "C" not null,
    applied_at timestamptz not null default clock_timestamp(),
    constraint migration_pkey primary key (id)
);

comment on table migration is
    'Which migrations this schema has. Each one records itself in its own transaction, whichever tool ran it.';
comment on column migration.id is 'The file''s name without .sql.';
comment on column migration.applied_at is 'When it was applied.';

create table queue (
    name text collate "C" not null,
    max_attempts integer not null default 5,
    reservation_timeout interval not null default interval '1 minute',
    execution_timeout interval not null default interval '5 minutes',
    retry_timeout interval not null default interval '30 seconds',
    paused_at timestamptz,
    inserted_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint queue_pkey primary key (name),
    constraint queue_name_is_printable check (
        octet_length(name) between 1 and 48 and name !~ '[[:cntrl:]]' and name = btrim(name)
    ),
    constraint queue_name_is_no_channel check (name !~ e'\\.(completed|retry|failed|scheduled)$'),
    constraint queue_max_attempts_is_positive check (max_attempts >= 1),
    constraint queue_reservation_timeout_is_positive check (reservation_timeout > interval '0'),
    constraint queue_execution_timeout_is_positive check (execution_timeout > interval '0'),
    constraint queue_retry_timeout_is_positive check (retry_timeout > interval '0')
);

comment on table queue is 'A queue and its settings. Change them with create_queue, pause_queue and resume_queue.';
comment on column queue.name is
    '1 to 48 bytes of printable text. It is part of the notification channels, <schema>.<queue>, .completed, .retry, '
    '.failed and .scheduled, so a name may not end like one of them.';
comment on column queue.max_attempts is 'How often a job is begun at most, unless its enqueue said otherwise.';
comment on column queue.reservation_timeout is 'How long a RESERVED job waits to be begun before others may have it.';
comment on column queue.execution_timeout is
    'The lease of a first attempt; attempt n gets n times as much. A worker extends the lease while its handler runs.';
comment on column queue.retry_timeout is
    'The wait after a failed first attempt; after attempt n it is n times as long.';
comment on column queue.paused_at is 'Since when no job of this queue is handed out; null: it runs.';
comment on column queue.inserted_at is 'When the queue was created.';
comment on column queue.updated_at is 'When a setting was last changed.';

insert into queue (name) values ('default');

insert into migration (id) values ('0001_queue');
