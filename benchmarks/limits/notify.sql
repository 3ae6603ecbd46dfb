-- What most queues do at each insert: NOTIFY, which takes a lock of the whole database at commit.
insert into bare.notified (queue, state, priority, schedule, max_attempts, params, notify, inserted_at, updated_at)
values ('bench', 'AVAILABLE', 0, clock_timestamp(), 5, '{}', null, clock_timestamp(), clock_timestamp())
returning id;
