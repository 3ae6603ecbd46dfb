-- Ends a queue's life with EctoJob; its jobs stay.

create or replace function drop_ectojob_view(
    queue text
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform ectojob_detach(drop_ectojob_view.queue);
end
$$;

comment on function drop_ectojob_view is
    'Drops the view that EctoJob worked on; the queue and its jobs stay. A table that was adopted is kept under its '
    'new name, with its rows of then, for you to drop; there is no unadopt after this. Locks job for a moment. Raises '
    'JQ002, 55000 when there is no view.';
