-- Which names a queue can have, as far as the table's own rules don't say.

/*!80000 drop procedure if exists check_queue_name */ //

create /*M! or replace */ procedure check_queue_name(
    p_queue text character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. 22023 for a null name, and for one of more than 48 bytes.'
begin
    if p_queue is null then
        call raise_unknown_queue(null);
    end if;
    if length(p_queue) > 48 then
        call raise_invalid(
            concat('queue name ', quote(left(p_queue, 60)), ' is too long'),
            'A queue name may have 48 bytes.'
        );
    end if;
end
