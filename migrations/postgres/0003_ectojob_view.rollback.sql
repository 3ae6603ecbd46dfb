-- An adopted table has no other way back, so none is forgotten here.

do $$
declare
    v_queue text;
begin
    select ectojob_view.queue into v_queue from ectojob_view order by ectojob_view.queue limit 1;
    if found then
        raise object_not_in_prerequisite_state using
            message = format('queue %s still has a view for EctoJob', quote_literal(v_queue)),
            hint = 'First: unadopt(queue), or drop_ectojob_view(queue) if the table is not wanted back.';
    end if;
end
$$;

drop table ectojob_view cascade;

delete from migration
where id = '0003_ectojob_view';
