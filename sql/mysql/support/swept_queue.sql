-- The queue that a sweep begins with.

/*!80000 drop procedure if exists swept_queue */ //

create /*M! or replace */ procedure swept_queue(
    p_queue text character set utf8mb4,
    out p_first text character set utf8mb4
)
sql security invoker
reads sql data
comment 'Internal. The queue that was named, or JQ002; null: the first of all queues, or null when there is none.'
begin
    if p_queue is not null then
        call check_queue(p_queue);
        set p_first = p_queue;
    else
        select min(queue.name) into p_first from queue;
    end if;
end
