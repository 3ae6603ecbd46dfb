-- FAILED -> AVAILABLE

/*!80000 drop procedure if exists requeue */ //

create /*M! or replace */ procedure requeue(
    p_queue text character set utf8mb4,
    p_id bigint
)
sql security definer
modifies sql data
comment 'Gives a FAILED job another chance: as many attempts as the queue grants, or fewer if it was enqueued with
fewer. attempt is never reset, max_attempts is raised, so that a forgotten holder of an old run cannot complete the new
one. Raises JQ004 when the job is not FAILED.'
begin
    declare v_own boolean;
    declare v_max_attempts integer;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    select queue.max_attempts into v_max_attempts from queue where queue.name = p_queue;

    update job force index (primary) set
        state = 'AVAILABLE',
        max_attempts = job.attempt + least(job.max_attempts, v_max_attempts),
        updated_at = utc_timestamp(6)
    where job.queue = p_queue
        and job.id = p_id
        and job.state = 'FAILED'
        and v_max_attempts is not null;

    if row_count() = 0 then
        call raise_not_failed(p_queue, p_id);
    end if;
    call give_job(p_queue, p_id);
    call end_call(v_own, p_queue);
end
