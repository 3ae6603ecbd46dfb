-- RESERVED -> IN_PROGRESS

/*!80000 drop procedure if exists begin_attempt */ //

create /*M! or replace */ procedure begin_attempt(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer
)
sql security definer
modifies sql data
comment 'Begins a reserved job: counts the attempt before the handler runs, so that a job which kills its worker is
bounded by max_attempts. attempt: as reserved; the row returned has the new one. No row: the reservation is gone, leave
the job alone.'
begin
    declare v_own, v_paused boolean;
    declare v_reservation_timeout, v_execution_timeout, v_retry_timeout decimal(30, 6);
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
    call queue_settings(p_queue, v_reservation_timeout, v_execution_timeout, v_retry_timeout, v_paused);

    -- Waits for whoever has the row's lock: the clock of the update stands still from its start.
    select job.id into v_id from job where job.queue = p_queue and job.id = p_id for update;

    update job force index (primary) set
        state = 'IN_PROGRESS',
        attempt = job.attempt + 1,
        expires = utc_timestamp(6) + interval v_execution_timeout * (p_attempt + 1) second,
        updated_at = utc_timestamp(6)
    where job.queue = p_queue
        and job.id = p_id
        and job.attempt = p_attempt
        and job.state = 'RESERVED'
        and job.expires >= utc_timestamp(6);

    if row_count() = 0 then
        call check_key(p_queue, p_id, p_attempt);
        set v_id = null;
    end if;
    call give_job(p_queue, v_id);
    call end_call(v_own, null);
end
