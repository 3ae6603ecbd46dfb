-- What the transitions ask of a queue.

/*!80000 drop procedure if exists queue_settings */ //

create /*M! or replace */ procedure queue_settings(
    p_queue text character set utf8mb4,
    out p_reservation_timeout decimal(30, 6),
    out p_execution_timeout decimal(30, 6),
    out p_retry_timeout decimal(30, 6),
    out p_paused boolean
)
sql security invoker
reads sql data
comment 'Internal. The queue''s settings, or JQ002.'
begin
    select queue.reservation_timeout, queue.execution_timeout, queue.retry_timeout, queue.paused_at is not null
    into p_reservation_timeout, p_execution_timeout, p_retry_timeout, p_paused
    from queue
    where queue.name = p_queue;

    if p_paused is null then
        call raise_unknown_queue(p_queue);
    end if;
end
