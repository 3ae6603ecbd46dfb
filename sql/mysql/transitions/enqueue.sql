-- (none) -> AVAILABLE, or SCHEDULED when the schedule is in the future

/*!80000 drop procedure if exists enqueue */ //

create /*M! or replace */ procedure enqueue(
    p_queue text character set utf8mb4,
    p_params longtext character set utf8mb4,
    p_schedule datetime(6),
    p_max_attempts integer,
    p_priority integer,
    p_notify longtext character set utf8mb4
)
sql security definer
modifies sql data
comment 'Puts a job into a queue, in your own transaction if there is one, and returns its id. params: a JSON object.
schedule: not before this moment, in UTC; null: now. max_attempts: null: the queue''s setting. priority: lower runs
first; null: 0. notify: text to keep with the job; null: none. Raises JQ002 for an unknown queue, 22023 for a bad
argument.'
begin
    declare v_own boolean;
    declare v_id bigint;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    call insert_job(p_queue, p_params, p_schedule, p_max_attempts, p_priority, p_notify, v_id);
    call end_call(v_own, p_queue);
    select v_id as id;
end
