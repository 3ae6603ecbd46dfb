-- Drops a queue; with force, its jobs too.

/*!80000 drop procedure if exists drop_queue */ //

create /*M! or replace */ procedure drop_queue(
    p_queue text character set utf8mb4,
    p_force boolean
)
sql security definer
modifies sql data
comment 'Drops a queue. force: with all its jobs, whatever their state; null: not. Without it, JQ003 when the queue
still has jobs. Raises JQ002.'
begin
    declare v_own, v_has_jobs boolean;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    call check_queue(p_queue);
    if p_force then
        repeat  -- MariaDB goes on after a DELETE that KILL QUERY interrupted
            delete from job where job.queue = p_queue;
            select count(*) into v_has_jobs from (
                select 1 from job where job.queue = p_queue limit 1 for update
            ) as some_job;
        until not v_has_jobs end repeat;
    else
        select count(*) into v_has_jobs from (select 1 from job where job.queue = p_queue limit 1) as some_job;
        if v_has_jobs then
            call raise_queue_not_empty(p_queue);
        end if;
    end if;

    -- A job whose enqueuing commits after this stays in the table and runs when the queue is created again: a foreign
    -- key would prevent it, but makes every enqueue lock the queue's one row.
    delete from queue where queue.name = p_queue;

    if row_count() = 0 then
        call raise_unknown_queue(p_queue);
    end if;
    call end_call(v_own, null);
end
