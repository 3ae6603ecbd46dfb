-- RESERVED, IN_PROGRESS -> AVAILABLE, using up no attempt

/*!80000 drop procedure if exists `release` */ //

create /*M! or replace */ procedure `release`(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer
)
sql security definer
modifies sql data
comment 'Gives a job back that was reserved or begun, for others to run at once. A begun attempt stays counted and
max_attempts is raised instead, so that deploys use up no attempts and the fence holds. No row: someone else has the
job by now.'
begin
    declare v_own boolean;
    declare v_id bigint default p_id;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    update job force index (primary) set
        max_attempts = job.max_attempts + if(job.state = 'IN_PROGRESS', 1, 0),
        state = 'AVAILABLE',
        expires = null,
        token = null,
        updated_at = utc_timestamp(6)
    where job.queue = p_queue
        and job.id = p_id
        and job.attempt = p_attempt
        and job.state in ('RESERVED', 'IN_PROGRESS');

    if row_count() = 0 then
        call check_key(p_queue, p_id, p_attempt);
        set v_id = null;
    end if;
    call give_job(p_queue, v_id);
    call end_call(v_own, p_queue);
end
