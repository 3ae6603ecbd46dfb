-- What enqueue_many takes: a JSON array of objects.

/*!80000 drop procedure if exists check_array */ //

create /*M! or replace */ procedure check_array(
    p_params longtext character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. 22023 unless params is a JSON array, and each of its elements an object. It names the
first that is not.'
begin
    declare v_place integer;
    declare v_is_array boolean default false;
    declare continue handler for 3157 begin end;  -- MySQL: nested too deep

    if p_params is null then
        call raise_invalid('params must not be null', 'Pass an array of JSON objects; an empty one enqueues nothing.');
    end if;
    if json_valid(p_params) and json_type(p_params) = 'ARRAY' then
        set v_is_array = true;
    end if;
    if not v_is_array then
        call raise_invalid('params must be a JSON array of objects', 'An empty array enqueues nothing.');
    end if;

    select min(item.place) into v_place
    from json_table(p_params, '$[*]' columns (place for ordinality, params json path '$')) as item
    where coalesce(json_type(item.params), 'NULL') <> 'OBJECT';
    if v_place is not null then
        call raise_invalid(
            concat('element ', v_place, ' of params must be a JSON object'),
            'Wrap the value, for example json_object(''value'', ...).'
        );
    end if;
end
