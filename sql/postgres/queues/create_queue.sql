-- Creates a queue, or changes the settings that are passed.

create or replace function create_queue(
    queue text,
    max_attempts integer default null,
    reservation_timeout interval default null,
    execution_timeout interval default null,
    retry_timeout interval default null
)
returns queue
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
declare
    v_queue queue;
    v_rule text;
begin
    perform check_queue_name(create_queue.queue);
    perform check_max_attempts(create_queue.max_attempts);
    perform check_timeout('reservation_timeout', create_queue.reservation_timeout);
    perform check_timeout('execution_timeout', create_queue.execution_timeout);
    perform check_timeout('retry_timeout', create_queue.retry_timeout);

    loop
        insert into queue (name) values (create_queue.queue)
        on conflict do nothing;

        update queue set
            max_attempts = coalesce(create_queue.max_attempts, queue.max_attempts),
            reservation_timeout = coalesce(create_queue.reservation_timeout, queue.reservation_timeout),
            execution_timeout = coalesce(create_queue.execution_timeout, queue.execution_timeout),
            retry_timeout = coalesce(create_queue.retry_timeout, queue.retry_timeout),
            updated_at = clock_timestamp()
        where queue.name = create_queue.queue
        returning queue.* into v_queue;
        exit when found;  -- else somebody has dropped it between the two
    end loop;
    return v_queue;
exception
    when check_violation then
        get stacked diagnostics v_rule = constraint_name;
        raise invalid_parameter_value using
            message = format('%s is not a legal queue name (%s)', quote_literal(create_queue.queue), v_rule),
            hint = '1 to 48 bytes of printable text that does not end in .completed, .retry, .failed or .scheduled.';
end
$$;

comment on function create_queue is
    'Creates a queue and returns its settings; if it exists, changes the settings that are passed. null: the default '
    'for a new queue (5 attempts, 1 minute, 5 minutes, 30 seconds), unchanged for an old one. Jobs already enqueued '
    'keep their max_attempts. Raises 22023.';
