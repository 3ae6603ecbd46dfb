-- 22023, a session that would number its jobs itself.

/*!80000 drop procedure if exists raise_numbered */ //

create /*M! or replace */ procedure raise_numbered()
sql security invoker
contains sql
comment 'Internal. Always raises 22023. An id of the caller''s choice could be one that a forgotten holder has, or the
last there is.'
begin
    call raise_invalid(
        'insert_id is set, and would be the job''s id',
        'Connect anew, or use it up by an insert of your own.'
    );
end
