-- JQ001, lease lost.

/*!80000 drop procedure if exists raise_lease_lost */ //

create /*M! or replace */ procedure raise_lease_lost(
    p_queue text character set utf8mb4,
    p_id bigint,
    p_attempt integer
)
sql security invoker
reads sql data
comment 'Internal. Always raises: JQ001, or what check_key has to say of the key.'
begin
    -- Keeps as much of a long name as leaves room for the hint.
    declare v_text varchar(128) character set utf8mb4 default left(concat(
        'attempt ', p_attempt, ' of job ', p_id,
        ' in queue ', left(quote(left(p_queue, 48)), 46 - char_length(concat(p_attempt, p_id))), ' is over',
        ' HINT: Roll back: another attempt does the work.'
    ), 128);

    call check_key(p_queue, p_id, p_attempt);
    signal sqlstate 'JQ001' set mysql_errno = 31001, message_text = v_text;
end
