-- The queues and their settings, and the record of which migrations this database has.
--
-- Runs in the current database, so every name is unqualified and any database will do. A migration holds tables,
-- indexes and constraints only; procedures and views are reloaded from sql/mysql at every deploy. MySQL and MariaDB
-- commit at each statement here, so each one may meet its own work of an interrupted run. Moments are in UTC,
-- durations in seconds. The two marked collations are one rule, compare bytes without padding, under its two names.

create table if not exists migration (
    id varchar(100) not null comment 'The file''s name without .sql.',
    applied_at datetime(6) not null comment 'When it was applied.',
    constraint migration_pkey primary key (id)
)
engine = innodb, character set utf8mb4, collate utf8mb4_bin,
comment = 'Which migrations this database has. Each one records itself, whichever tool ran it.';

create table if not exists queue (
    name varchar(48) /*M! collate utf8mb4_nopad_bin */ /*!80017 collate utf8mb4_0900_bin */ not null
        comment '1 to 48 bytes of printable text, as on PostgreSQL, where it names notification channels.',
    max_attempts integer not null default 5
        comment 'How often a job is begun at most, unless its enqueue said otherwise.',
    reservation_timeout decimal(18, 6) not null default 60
        comment 'How long a RESERVED job waits to be begun before others may have it.',
    execution_timeout decimal(18, 6) not null default 300
        comment 'The lease of a first attempt; attempt n gets n times as much.',
    retry_timeout decimal(18, 6) not null default 30
        comment 'The wait after a failed first attempt; after attempt n it is n times as long.',
    paused_at datetime(6) comment 'Since when no job of this queue is handed out; null: it runs.',
    inserted_at datetime(6) not null comment 'When the queue was created.',
    updated_at datetime(6) not null comment 'When a setting was last changed.',
    constraint queue_pkey primary key (name),
    constraint queue_name_is_printable check (
        length(name) between 1 and 48 and name not regexp '[[:cntrl:]]' and length(name) = length(trim(name))
    ),
    constraint queue_name_is_no_channel check (name not regexp '[.](completed|retry|failed|scheduled)$'),
    constraint queue_max_attempts_is_positive check (max_attempts >= 1),
    constraint queue_reservation_timeout_is_positive check (reservation_timeout > 0),
    constraint queue_execution_timeout_is_positive check (execution_timeout > 0),
    constraint queue_retry_timeout_is_positive check (retry_timeout > 0)
)
engine = innodb, character set utf8mb4, collate utf8mb4_bin,
comment = 'A queue and its settings. Change them with create_queue, pause_queue and resume_queue.';

insert ignore into queue (name, inserted_at, updated_at) values ('default', utc_timestamp(6), utc_timestamp(6));

insert ignore into migration (id, applied_at) values ('0001_queue', utc_timestamp(6));
