-- Wakes EctoJob, whoever made a job AVAILABLE.

create or replace function ectojob_wake()
returns trigger
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    perform pg_notify(tg_argv[0], '');
    return null;
end
$$;

comment on function ectojob_wake is
    'Internal. Of a trigger that create_ectojob_view makes for its queue alone, so that other queues pay nothing; the '
    'argument is the channel: the view''s name, as EctoJob listens on the name of its table.';
