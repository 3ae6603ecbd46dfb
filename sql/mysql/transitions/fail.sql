-- IN_PROGRESS -> RETRY, or FAILED when no attempt is left

/*!80000 drop procedure if exists fail */ //

create /*M! or replace */ procedure fail(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer,
    p_error longtext character set utf8mb4,
    p_retry_in decimal(30, 6)
)
sql security definer
modifies sql data
comment 'Ends an attempt that failed. error: kept in last_error, its first 10,000 characters. retry_in: the wait before
the next attempt, in seconds; null: the queue''s retry_timeout times the attempt. No row: someone else has the job by
now, nothing changed.'
begin
    declare v_own, v_paused boolean;
    declare v_reservation_timeout, v_execution_timeout, v_retry_timeout decimal(30, 6);
    declare v_id bigint default p_id;
    declare v_retried boolean;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    call check_retry_in(p_retry_in);
    call queue_settings(p_queue, v_reservation_timeout, v_execution_timeout, v_retry_timeout, v_paused);

    update job force index (primary) set
        schedule = if(
            job.attempt < job.max_attempts,
            utc_timestamp(6) + interval coalesce(p_retry_in, v_retry_timeout * p_attempt) second,
            job.schedule
        ),
        state = if(job.attempt < job.max_attempts, 'RETRY', 'FAILED'),
        expires = null,
        token = null,
        last_error = left(p_error, 10000),
        updated_at = utc_timestamp(6)
    where job.queue = p_queue
        and job.id = p_id
        and job.attempt = p_attempt
        and job.state = 'IN_PROGRESS';

    if row_count() = 0 then
        call check_key(p_queue, p_id, p_attempt);
        set v_id = null;
    end if;
    call give_job(p_queue, v_id);

    -- Not that it could run: workers ask next_due again, as for a new SCHEDULED job.
    select count(*) into v_retried from job where job.queue = p_queue and job.id = v_id and job.state = 'RETRY';
    call end_call(v_own, if(v_retried, p_queue, null));
end
