-- (none) -> AVAILABLE wakes workers; (none) -> SCHEDULED tells them to ask again when to wake

create or replace function wake_on_insert()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    if new.state = 'AVAILABLE' then
        -- As wake does, without asking again: for each row of a bulk insert that costs more than to notify.
        perform pg_notify(current_schema() || '.' || new.queue, '');
    elsif new.state = 'SCHEDULED' then
        perform tell_scheduled(new.queue, new.schedule);
    end if;
    return null;
end
$$;

comment on function wake_on_insert is
    'Internal. For each job of a queue for which a worker sleeps, whoever inserted it: wakes workers, or tells them '
    'that it waits for its schedule; one notification of each kind per queue and transaction.';

create or replace trigger wake_on_insert
after insert on job
for each row
-- someone_sleeps(), written out, as every row of a bulk insert asks it, and as whoever may insert may ask it. Nothing
-- else and in the fewest words, as each insert parses the condition anew: tableoid is job's.
when (
    not (
        pg_try_advisory_lock(new.tableoid::integer, hashtext(new.queue))
        and pg_advisory_unlock(new.tableoid::integer, hashtext(new.queue))
    )
)
execute function wake_on_insert();

comment on trigger wake_on_insert on job is
    'Wakes the workers of the queues that got jobs, when the transaction commits.';
