-- enqueue, for bytes

create or replace function enqueue_payload(
    queue text,
    payload bytea,
    schedule timestamptz default null,
    max_attempts integer default null,
    priority integer default 0,
    notify text default null
)
returns bigint
language plpgsql
volatile
parallel unsafe
security definer
set search_path from current
as $$
begin
    if enqueue_payload.payload is null then
        raise invalid_parameter_value using
            message = 'payload must not be null',
            hint = 'Pass bytes, '''' for none of them; or call enqueue.';
    end if;

    return enqueue(
        enqueue_payload.queue,
        payload_params(enqueue_payload.payload),
        enqueue_payload.schedule,
        enqueue_payload.max_attempts,
        enqueue_payload.priority,
        enqueue_payload.notify
    );
end
$$;

comment on function enqueue_payload is
    'enqueue for a job whose params are bytes, of any format: {"payload": "<base64>"}. Read them with '
    'decode(params ->> ''payload'', ''base64''), or job.payload in Python. The other arguments are those of enqueue. '
    'Raises JQ002, 22023.';
