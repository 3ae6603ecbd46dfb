-- Creates a queue, or changes the settings that are passed.

/*!80000 drop procedure if exists create_queue */ //

create /*M! or replace */ procedure create_queue(
    p_queue text character set utf8mb4,
    p_max_attempts integer,
    p_reservation_timeout decimal(30, 6),
    p_execution_timeout decimal(30, 6),
    p_retry_timeout decimal(30, 6)
)
sql security definer
modifies sql data
comment 'Creates a queue and returns its settings; if it exists, changes the settings that are passed. Timeouts are in
seconds. null: the default for a new queue (5 attempts, 60, 300, 30), unchanged for an old one. Jobs already enqueued
keep their max_attempts. Raises 22023.'
begin
    if @ectojob_own then
        call check_unfinished();
    end if;
    if @@global.read_only not in ('0', 'OFF') then
        call raise_read_only();
    end if;
    set timestamp = default;  -- see begin_call
    call check_queue_name(p_queue);
    call check_max_attempts(p_max_attempts);
    call check_timeout('reservation_timeout', p_reservation_timeout);
    call check_timeout('execution_timeout', p_execution_timeout);
    call check_timeout('retry_timeout', p_retry_timeout);

    insert into queue (
        name, max_attempts, reservation_timeout, execution_timeout, retry_timeout, inserted_at, updated_at
    )
    values (
        p_queue,
        coalesce(p_max_attempts, default(max_attempts)),
        coalesce(p_reservation_timeout, default(reservation_timeout)),
        coalesce(p_execution_timeout, default(execution_timeout)),
        coalesce(p_retry_timeout, default(retry_timeout)),
        utc_timestamp(6),
        utc_timestamp(6)
    )
    on duplicate key update
        max_attempts = coalesce(p_max_attempts, queue.max_attempts),
        reservation_timeout = coalesce(p_reservation_timeout, queue.reservation_timeout),
        execution_timeout = coalesce(p_execution_timeout, queue.execution_timeout),
        retry_timeout = coalesce(p_retry_timeout, queue.retry_timeout),
        updated_at = utc_timestamp(6);

    select * from queue where queue.name = p_queue;
end
