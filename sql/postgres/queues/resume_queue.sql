-- Hands out jobs of a paused queue again.

create or replace function resume_queue(
    queue text
)
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    update queue set
        paused_at = null,
        updated_at = clock_timestamp()
    where queue.name = resume_queue.queue;

    if not found then
        perform raise_unknown_queue(resume_queue.queue);
    end if;
    perform wake(resume_queue.queue);

    perform pg_notify(ectojob_view.view_name, '') from ectojob_view
    where ectojob_view.queue = resume_queue.queue;
end
$$;

comment on function resume_queue is
    'Hands out jobs of a paused queue again, and wakes its workers. Raises JQ002.';
