-- JQ004, job is not FAILED.

/*!80000 drop procedure if exists raise_not_failed */ //

create /*M! or replace */ procedure raise_not_failed(
    p_queue text character set utf8mb4,
    p_id bigint
)
sql security invoker
reads sql data
comment 'Internal. Always raises: JQ004, or what check_key has to say of the key.'
begin
    -- Keeps as much of a long name as leaves room for the hint.
    declare v_text varchar(128) character set utf8mb4 default left(concat(
        'job ', p_id, ' in queue ', left(quote(left(p_queue, 48)), 57 - char_length(p_id)), ' is not FAILED',
        ' HINT: the view job_state shows what it is.'
    ), 128);

    call check_key(p_queue, p_id, 0);
    signal sqlstate 'JQ004' set mysql_errno = 31004, message_text = v_text;
end
