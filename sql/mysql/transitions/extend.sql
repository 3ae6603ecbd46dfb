-- IN_PROGRESS -> IN_PROGRESS, with a later expiry

/*!80000 drop procedure if exists extend */ //

create /*M! or replace */ procedure extend(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer,
    p_by decimal(30, 6)
)
sql security definer
modifies sql data
comment 'Keeps a running job for longer. by: how many seconds later its lease ends, counted from now when it has ended
already; null: as if the attempt began now. No row: someone else has the job by now, its handler should stop.'
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
    call check_timeout('by', p_by);
    call queue_settings(p_queue, v_reservation_timeout, v_execution_timeout, v_retry_timeout, v_paused);

    -- Not told by row_count(), which counts no row that stays what it was.
    select job.id into v_id
    from job
    where job.queue = p_queue
        and job.id = p_id
        and job.attempt = p_attempt
        and job.state = 'IN_PROGRESS'
    for update;

    if v_id is null then
        call check_key(p_queue, p_id, p_attempt);
    end if;
    update job force index (primary) set
        expires = if(
            p_by is null,
            greatest(job.expires, utc_timestamp(6) + interval v_execution_timeout * p_attempt second),
            greatest(job.expires, utc_timestamp(6)) + interval p_by second
        )
    where job.queue = p_queue and job.id = v_id;
    call give_job(p_queue, v_id);
    call end_call(v_own, null);
end
