-- The roles go where nothing needs them any more.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['_producer', '_worker', '_reader', '_admin', '_owner'] loop
        begin
            execute format('drop role if exists %I', current_schema() || v_role);
        exception
            -- Another database of this server has a schema of the same name, or somebody granted the role more.
            when dependent_objects_still_exist then
                raise notice 'role % is still in use and stays', current_schema() || v_role;
        end;
    end loop;
end
$$;
