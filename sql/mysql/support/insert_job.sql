-- One new job, for enqueue and enqueue_id.

/*!80000 drop procedure if exists insert_job */ //

create /*M! or replace */ procedure insert_job(
    p_queue text character set utf8mb4,
    p_params longtext character set utf8mb4,
    p_schedule datetime(6),
    p_max_attempts integer,
    p_priority integer,
    p_notify longtext character set utf8mb4,
    out p_id bigint
)
sql security invoker
modifies sql data
comment 'Internal. The arguments of enqueue; id: the job''s.'
begin
    declare v_now datetime(6) default utc_timestamp(6);
    declare v_max_attempts integer;

    call check_params(p_params);
    call check_job(p_schedule, p_max_attempts, p_notify);
    select queue.max_attempts into v_max_attempts from queue where queue.name = p_queue;
    if v_max_attempts is null then
        call raise_unknown_queue(p_queue);
    end if;

    set last_insert_id = 0;  -- it would stay what it was if the job had number 0, see below

    -- Not in one statement with the select: that would lock the queue's row, and all other enqueuers out.
    insert into job (queue, state, priority, schedule, max_attempts, params, notify, inserted_at, updated_at)
    values (
        p_queue,
        if(p_schedule > v_now, 'SCHEDULED', 'AVAILABLE'),
        coalesce(p_priority, 0),
        coalesce(p_schedule, v_now),
        coalesce(p_max_attempts, v_max_attempts),
        p_params,
        p_notify,
        v_now,
        v_now
    );
    set p_id = last_insert_id();
    if p_id = 0 then  -- MySQL: insert_id was set to 0, and says so no more than one that isn't set
        call raise_numbered();
    end if;
end
