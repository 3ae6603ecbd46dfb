-- SCHEDULED, AVAILABLE, RETRY, FAILED -> (deleted), without having run

/*!80000 drop procedure if exists remove */ //

create /*M! or replace */ procedure remove(
    p_queue text character set utf8mb4,
    p_id bigint
)
sql security definer
modifies sql data
comment 'Cancels a job that nobody holds, FAILED ones included, and returns it. No row: it is RESERVED or IN_PROGRESS,
or there is none.'
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
    select job.id into v_id
    from job
    where job.queue = p_queue and job.id = p_id and job.state not in ('RESERVED', 'IN_PROGRESS')
    for update;

    if v_id is null then
        call check_key(p_queue, p_id, 0);
    end if;
    call give_job(p_queue, v_id);
    delete from job where job.queue = p_queue and job.id = v_id;
    if v_id is not null and row_count() = 0 then  -- see complete
        signal sqlstate '70100' set mysql_errno = 1317, message_text = 'Query execution was interrupted';
    end if;
    call end_call(v_own, null);
end
