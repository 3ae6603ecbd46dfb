-- Drops a queue; with force, its jobs too.

create or replace function drop_queue(
    queue text,
    "force" boolean default false
)
returns void
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    perform check_queue(drop_queue.queue);
    if exists (select from ectojob_view where ectojob_view.queue = drop_queue.queue) then
        raise exception using
            errcode = 'JQ003',
            message = format('queue %s still has a view for EctoJob', quote_literal(drop_queue.queue)),
            hint = 'First: unadopt(queue), or drop_ectojob_view(queue).';
    end if;
    if drop_queue.force then
        delete from job where job.queue = drop_queue.queue;
    elsif exists (select from job where job.queue = drop_queue.queue) then
        raise exception using
            errcode = 'JQ003',
            message = format('queue %s still has jobs', quote_literal(drop_queue.queue)),
            hint = 'Let them end, or pass force => true to delete them, FAILED ones included.';
    end if;

    -- A job whose enqueuing commits after this stays in the table and runs when the queue is created again: a foreign
    -- key would prevent it, but makes every enqueue lock the queue's one row (a quarter of the speed at 32 clients).
    delete from queue where queue.name = drop_queue.queue;

    if not found then
        perform raise_unknown_queue(drop_queue.queue);
    end if;
end
$$;

comment on function drop_queue is
    'Drops a queue. force: with all its jobs, whatever their state. Without it, JQ003 when the queue still has jobs; '
    'with or without it, when it has a view for EctoJob. Raises JQ002.';
