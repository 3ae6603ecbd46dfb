-- (none) -> AVAILABLE, or SCHEDULED when the schedule is in the future, for many jobs at once

/*!80000 drop procedure if exists enqueue_many */ //

create /*M! or replace */ procedure enqueue_many(
    p_queue text character set utf8mb4,
    p_params longtext character set utf8mb4,
    p_schedule datetime(6),
    p_max_attempts integer,
    p_priority integer,
    p_notify longtext character set utf8mb4
)
sql security definer
modifies sql data
comment 'Puts one job per element of params, a JSON array, into a queue, and returns their ids in the same order. The
other arguments are those of enqueue and hold for every job. All or none: the first element that is not a JSON object is
named by 22023, by its place from 1.'
begin
    declare v_own boolean;
    declare v_now datetime(6);
    declare v_token bigint unsigned default uuid_short();
    declare v_max_attempts integer;
    declare v_first bigint;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    set v_now = utc_timestamp(6);
    call check_array(p_params);
    call check_job(p_schedule, p_max_attempts, p_notify);
    select queue.max_attempts into v_max_attempts from queue where queue.name = p_queue;
    if v_max_attempts is null then
        call raise_unknown_queue(p_queue);
    end if;

    insert into job (queue, state, priority, schedule, max_attempts, params, notify, token, inserted_at, updated_at)
    select
        p_queue,
        if(p_schedule > v_now, 'SCHEDULED', 'AVAILABLE'),
        coalesce(p_priority, 0),
        coalesce(p_schedule, v_now),
        coalesce(p_max_attempts, v_max_attempts),
        item.params,
        p_notify,
        v_token,
        v_now,
        v_now
    from json_table(p_params, '$[*]' columns (place for ordinality, params json path '$')) as item
    order by item.place;

    select min(job.id) into v_first from job where job.token = v_token;
    if v_first = 0 then  -- see insert_job
        call raise_numbered();
    end if;

    select job.id from job where job.token = v_token order by job.id;
    call end_call(v_own, p_queue);
end
