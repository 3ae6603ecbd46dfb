-- The queue that a sweep goes on with.

/*!80000 drop procedure if exists next_queue */ //

create /*M! or replace */ procedure next_queue(
    p_queue text character set utf8mb4,
    inout p_swept text character set utf8mb4
)
sql security invoker
reads sql data
comment 'Internal. queue: as the sweep was called. swept: the queue that was swept, then the next one; null: none is
left.'
begin
    select min(queue.name) into p_swept from queue where p_queue is null and queue.name > p_swept;
end
