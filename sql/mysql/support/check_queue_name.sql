-- Which names a queue can have: the table's own rules, which a session can switch off on MariaDB.

/*!80000 drop procedure if exists check_queue_name */ //

create /*M! or replace */ procedure check_queue_name(
    p_queue text character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. 22023 for a null name, and for one that is not legal.'
begin
    declare v_is_channel boolean default p_queue collate utf8mb4_bin regexp '[.](completed|retry|failed|scheduled)$';

    if p_queue is null then
        call raise_unknown_queue(null);
    end if;
    if v_is_channel
        or length(p_queue) not between 1 and 48
        or p_queue regexp '[[:cntrl:]]'
        or length(p_queue) <> length(trim(p_queue))
    then
        call raise_invalid(
            concat(left(quote(left(p_queue, 48)), 35), ' is not a legal queue name'),
            if(
                v_is_channel,
                'It may not end in .completed, .retry, .failed or .scheduled.',
                '1 to 48 printable bytes, no space around them.'
            )
        );
    end if;
end
