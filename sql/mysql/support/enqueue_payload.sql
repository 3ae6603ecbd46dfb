-- enqueue, for bytes

/*!80000 drop procedure if exists enqueue_payload */ //

create /*M! or replace */ procedure enqueue_payload(
    p_queue text character set utf8mb4,
    p_payload longblob,
    p_schedule datetime(6),
    p_max_attempts integer,
    p_priority integer,
    p_notify longtext character set utf8mb4
)
sql security definer
modifies sql data
comment 'enqueue for a job whose params are bytes, of any format: {"payload": "<base64>"}. Read them with
from_base64, or job.payload in Python. The other arguments are those of enqueue. Raises JQ002, 22023.'
begin
    declare exit handler for 1301 call raise_invalid(
        concat('payload is ', length(p_payload), ' bytes long'),
        concat('Its base64 may have ', @@max_allowed_packet, ', which is max_allowed_packet.')
    );

    if p_payload is null then
        call raise_invalid('payload must not be null', 'Pass bytes, or call enqueue.');
    end if;

    -- to_base64 breaks lines as mail does.
    call enqueue(
        p_queue,
        json_object('payload', replace(to_base64(p_payload), char(10), '')),
        p_schedule,
        p_max_attempts,
        p_priority,
        p_notify
    );
end
