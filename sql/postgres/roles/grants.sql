-- Who may do what, where roles.sql has been. Nobody has rights on tables, and what isn't named here is the owner's.

do $$
declare
    v_schema constant text := current_schema();
    v_right text;
    v_roles text;
begin
    -- Not where they merely exist: roles belong to the whole server, and another database may have made them.
    if pg_get_userbyid((select nspowner from pg_namespace where nspname = v_schema)) <> v_schema || '_owner' then
        return;
    end if;

    for v_right, v_roles in
        values
        (format('usage on schema %I', v_schema), 'producer, worker, reader, admin'),
        ('execute on function enqueue, enqueue_many, enqueue_payload', 'producer'),
        ('execute on function reserve_batch, begin_attempt, claim_batch', 'worker'),
        ('execute on function complete, complete_batch, fail, extend', 'worker'),
        ('execute on function release', 'worker, admin'),
        ('execute on function fall_asleep, in_flight, wake_up', 'worker'),
        ('execute on function activate_scheduled, reactivate_expired', 'worker, admin'),
        ('execute on function next_due', 'worker, reader, admin'),
        ('execute on function create_queue, drop_queue, pause_queue, resume_queue', 'admin'),
        ('execute on function requeue, remove', 'admin'),
        (format('execute on function %I.version', v_schema), 'producer, worker, reader, admin'),
        ('select on queue_depth, job_state, running, overdue, failed', 'reader, admin')
    loop
        select string_agg(format('%I', v_schema || '_' || role.name), ', ') into v_roles
        from string_to_table(v_roles, ', ') as role (name);
        execute format('grant %s to %s', v_right, v_roles);
    end loop;
end
$$;
