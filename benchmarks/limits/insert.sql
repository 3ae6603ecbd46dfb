-- What enqueue must write, and nothing else.
insert into bare.job (queue, state, priority, schedule, max_attempts, params, notify, inserted_at, updated_at)
values ('bench', 'AVAILABLE', 0, clock_timestamp(), 5, '{}', null, clock_timestamp(), clock_timestamp())
returning id;
