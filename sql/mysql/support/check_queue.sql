-- A queue that is named must exist.

/*!80000 drop procedure if exists check_queue */ //

create /*M! or replace */ procedure check_queue(
    p_queue text character set utf8mb4
)
sql security invoker
reads sql data
comment 'Internal. JQ002 when there is no such queue, 22023 when the name is null.'
begin
    if not exists (select 1 from queue where queue.name = p_queue) then
        call raise_unknown_queue(p_queue);
    end if;
end
