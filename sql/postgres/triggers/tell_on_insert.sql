-- (none) -> SCHEDULED tells workers to ask again when to wake

create or replace function tell_on_insert()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    perform tell_scheduled(new.queue, new.schedule);
    return null;
end
$$;

comment on function tell_on_insert is
    'Internal. For each SCHEDULED job, whoever inserted it: tells workers, unless they will ask in time by themselves.';

create or replace trigger tell_on_insert
after insert on job
for each row
when (new.state = 'SCHEDULED')
execute function tell_on_insert();

comment on trigger tell_on_insert on job is
    'Tells workers to ask next_due again when the transaction commits, unless they will in time by themselves.';
