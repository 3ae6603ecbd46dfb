-- params must be a JSON object.

/*!80000 drop procedure if exists check_params */ //

create /*M! or replace */ procedure check_params(
    p_params longtext character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. 22023 unless params is a JSON object.'
begin
    declare v_type varchar(20) character set utf8mb4 default if(p_params is null, null, 'malformed');
    declare continue handler for 4035 begin end;  -- MariaDB: half a surrogate pair is valid, and broken
    declare continue handler for 3157 begin end;  -- MySQL: nested too deep

    if json_valid(p_params) then
        set v_type = json_type(p_params);
    end if;
    if v_type is null or v_type <> 'OBJECT' then
        call raise_invalid(
            concat('params must be a JSON object, not ', case
                when v_type in ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL') then 'number'
                else lower(coalesce(v_type, 'null'))
            end),
            'Wrap the value, for example json_object(''value'', ...).'
        );
    end if;
end
