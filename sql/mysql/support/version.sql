-- The release these procedures belong to.

/*!80000 drop procedure if exists version */ //

create /*M! or replace */ procedure version()
sql security definer
contains sql
comment 'The release of ectojob these procedures belong to.'
begin
    select '0.2.0' as version;
end
