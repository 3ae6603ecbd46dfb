-- What complete_batch takes: two JSON arrays of the same length.

/*!80000 drop procedure if exists check_batch */ //

create /*M! or replace */ procedure check_batch(
    p_ids longtext character set utf8mb4,
    p_attempts longtext character set utf8mb4
)
sql security invoker
contains sql
comment 'Internal. 22023 unless both are JSON arrays, and equally long.'
begin
    if not coalesce(
        json_valid(p_ids) and json_valid(p_attempts)
        and json_type(p_ids) = 'ARRAY' and json_type(p_attempts) = 'ARRAY'
        and json_length(p_ids) = json_length(p_attempts),
        false
    ) then
        call raise_invalid(
            'ids and attempts must be two arrays of the same length',
            'attempts[n] is the attempt by which ids[n] was claimed.'
        );
    end if;
end
