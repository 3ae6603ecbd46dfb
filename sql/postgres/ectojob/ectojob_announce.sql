-- Tells our side how a job ended that EctoJob ran.

create or replace function ectojob_announce(
    queue text,
    outcome text,
    payload text
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if ectojob_announce.payload is not null then
        perform pg_notify(
            current_schema() || '.' || ectojob_announce.queue || '.' || ectojob_announce.outcome,
            ectojob_announce.payload
        );
    end if;
end
$$;

comment on function ectojob_announce is
    'Internal. The half of announce that EctoJob does not do itself: it sends the notify text on channels of its own.';
