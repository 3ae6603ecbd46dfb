-- A queue that is named must exist.

/*!80000 drop procedure if exists check_queue */ //

create /*M! or replace */ procedure check_queue(
    p_queue text character set utf8mb4
)
sql security invoker
reads sql data
comment 'Internal. JQ002 when there is no such queue, 22023 when the name is null.'
begin
    declare v_found boolean;

    -- Not in the condition of the if, which would lock the row and wait for whoever pauses the queue.
    select count(*) into v_found from queue where queue.name = p_queue;
    if not v_found then
        call raise_unknown_queue(p_queue);
    end if;
end
