-- IN_PROGRESS -> (deleted), all or none

/*!80000 drop procedure if exists complete_batch */ //

create /*M! or replace */ procedure complete_batch(
    p_queue text character set utf8mb4,
    p_ids longtext character set utf8mb4,
    p_attempts longtext character set utf8mb4
)
sql security definer
modifies sql data
comment 'Ends many jobs of a queue that succeeded, in one statement. ids, attempts: JSON arrays, attempts[n] being the
attempt of ids[n]. JQ001 when any of them is no longer held, and then none is completed.'
begin
    declare v_own boolean;
    declare exit handler for sqlexception
    begin
        begin
            declare continue handler for 1305 begin end;  -- a deadlock has taken the savepoint with it
            if v_own then rollback and no chain no release; elseif not v_own then rollback to savepoint ectojob; end if;
        end;
        resignal;
    end;

    call begin_call(v_own);
    call check_batch(p_ids, p_attempts);

    delete job
    from json_table(p_ids, '$[*]' columns (place for ordinality, id bigint path '$')) as ids
    join (  -- with a limit that is none it becomes a table with a key; else it is searched for each id
        select item.place, item.attempt
        from json_table(p_attempts, '$[*]' columns (place for ordinality, attempt integer path '$')) as item
        limit 18446744073709551615
    ) as attempts
        on attempts.place = ids.place
    straight_join job
        on job.queue = p_queue
        and job.id = ids.id
        and job.attempt = attempts.attempt
        and job.state = 'IN_PROGRESS';

    if row_count() < json_length(p_ids) then
        rollback to savepoint ectojob;
        call raise_batch_lost(p_queue, p_ids, p_attempts);
    end if;
    call check_queue(p_queue);
    call end_call(v_own, null);
end
