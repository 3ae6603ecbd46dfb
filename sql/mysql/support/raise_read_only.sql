-- 1290, a server that is read-only.

/*!80000 drop procedure if exists raise_read_only */ //

create /*M! or replace */ procedure raise_read_only()
sql security invoker
contains sql
comment 'Internal. Always raises 1290. The server itself lets those write on a read-only server whose definer has the
right to: what a demoted primary was told would be lost, and stop a replica.'
begin
    signal sqlstate 'HY000' set
        mysql_errno = 1290,
        message_text = 'the server is read-only HINT: Connect to the primary, or set read_only = 0.';
end
