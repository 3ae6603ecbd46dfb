-- Stops handing out jobs of a queue; what runs goes on.

create or replace function pause_queue(
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
        paused_at = coalesce(queue.paused_at, clock_timestamp()),
        updated_at = clock_timestamp()
    where queue.name = pause_queue.queue;

    if not found then
        perform raise_unknown_queue(pause_queue.queue);
    end if;
end
$$;

comment on function pause_queue is
    'Stops handing out jobs of a queue until resume_queue. Running jobs go on, enqueuing goes on. Raises JQ002.';
