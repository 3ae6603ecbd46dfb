-- The name of the lock that a waiting connection holds.

/*!80000 drop procedure if exists waiter_lock */ //

create /*M! or replace */ procedure waiter_lock(
    p_queue text character set utf8mb4,
    p_place integer,
    out p_name text character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. Locks belong to the whole server, so the name stands for database and queue; place: 1 to 16.'
begin
    set p_name = concat('ectojob.', left(sha2(concat(database(), '.', p_queue), 256), 40), '.', p_place);
end
