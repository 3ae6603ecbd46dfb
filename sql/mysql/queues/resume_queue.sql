-- Hands out jobs of a paused queue again.

/*!80000 drop procedure if exists resume_queue */ //

create /*M! or replace */ procedure resume_queue(
    p_queue text character set utf8mb4
)
sql security definer
modifies sql data
comment 'Hands out jobs of a paused queue again, and wakes its workers. Raises JQ002.'
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
    update queue set
        paused_at = null,
        updated_at = utc_timestamp(6)
    where queue.name = p_queue;

    if row_count() = 0 then
        call check_queue(p_queue);
    end if;
    call end_call(v_own, p_queue);
end
