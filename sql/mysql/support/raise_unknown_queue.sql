-- JQ002, unknown queue.

/*!80000 drop procedure if exists raise_unknown_queue */ //

create /*M! or replace */ procedure raise_unknown_queue(
    p_queue text character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. Always raises: JQ002, or 22023 when the name is null.'
begin
    -- Keeps as much of a long name as leaves room for the hint.
    declare v_text varchar(128) character set utf8mb4 default left(concat(
        'unknown queue ', left(quote(left(p_queue, 48)), 39),
        ' HINT: Create it with create_queue; view queue_depth lists those there are.'
    ), 128);

    if p_queue is null then
        call raise_invalid('queue must not be null', 'Pass a queue''s name; view queue_depth lists them.');
    end if;
    signal sqlstate 'JQ002' set mysql_errno = 31002, message_text = v_text;
end
