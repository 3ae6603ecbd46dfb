-- JQ003, queue still has jobs.

/*!80000 drop procedure if exists raise_queue_not_empty */ //

create /*M! or replace */ procedure raise_queue_not_empty(
    p_queue text character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. Always raises JQ003.'
begin
    -- Keeps as much of a long name as leaves room for the hint.
    declare v_text varchar(128) character set utf8mb4 default left(concat(
        'queue ', left(quote(left(p_queue, 48)), 35), ' still has jobs',
        ' HINT: Let them end, or pass force to delete them, FAILED ones included.'
    ), 128);

    signal sqlstate 'JQ003' set mysql_errno = 31003, message_text = v_text;
end
