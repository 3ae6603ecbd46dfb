-- 22023, a bad argument.

/*!80000 drop procedure if exists raise_invalid */ //

create /*M! or replace */ procedure raise_invalid(
    p_message text character set utf8mb4,
    p_hint text character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. Always raises 22023. A message may have 128 characters, so a hint is cut where they end.'
begin
    declare v_text varchar(128) character set utf8mb4 default left(concat(p_message, ' HINT: ', p_hint), 128);

    signal sqlstate '22023' set mysql_errno = 31022, message_text = v_text;
end
