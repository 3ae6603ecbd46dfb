-- enqueue as a function, for a SELECT or a trigger

/*!80000 drop function if exists enqueue_id */ //

create /*M! or replace */ function enqueue_id(
    p_queue text character set utf8mb4,
    p_params longtext character set utf8mb4,
    p_schedule datetime(6),
    p_max_attempts integer,
    p_priority integer,
    p_notify longtext character set utf8mb4
)
returns bigint
not deterministic
sql security definer
modifies sql data
comment 'Puts a job into a queue and returns its id, in the transaction of the statement that calls it; arguments and
errors are those of enqueue. Wakes nobody: call wake after committing.'
begin
    declare v_id bigint;

    call insert_job(p_queue, p_params, p_schedule, p_max_attempts, p_priority, p_notify, v_id);
    return v_id;
end
