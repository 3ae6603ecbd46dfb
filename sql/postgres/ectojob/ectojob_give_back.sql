-- Moves a queue's jobs back into the table that was adopted.

create or replace function ectojob_give_back(
    adopted ectojob_view
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_queue constant text := (ectojob_give_back.adopted).queue;
    v_schema constant name := (ectojob_give_back.adopted).schema_name;
    v_name constant name := (ectojob_give_back.adopted).view_name;
    v_table constant text := format('%I.%I', v_schema, v_name);
    v_priority text[] := array['', ''];
begin
    execute format('alter table %I.%I rename to %I', v_schema, (ectojob_give_back.adopted).kept_name, v_name);
    if ectojob_has_priority(v_table) then
        v_priority := array[', priority', ', job.priority'];
    end if;

    -- A row that is still what became of it at its adoption stays, with what we had no place for.
    execute format(
        $stale$
        delete from %1$s as old
        where not exists (
            select from job
            cross join lateral %2$s as adopted
            where job.queue = %3$L and job.id = old.id
                and (job.*) is not distinct from adopted
        )
        $stale$,
        v_table, ectojob_call(v_queue, v_table), v_queue
    );
    execute format(
        $back$
        insert into %1$s (
            id, state, expires, schedule, attempt, max_attempts, params, notify, inserted_at, updated_at%2$s
        )
        select
            job.id, job.state, job.expires at time zone 'UTC', job.schedule at time zone 'UTC', job.attempt,
            job.max_attempts, %5$s, job.notify::varchar(255), job.inserted_at at time zone 'UTC',
            job.updated_at at time zone 'UTC'%3$s
        from job
        where job.queue = %4$L and not exists (select from %1$s as old where old.id = job.id)
        $back$,
        v_table, v_priority[1], v_priority[2], v_queue, ectojob_params(ectojob_model(v_table) #>> '{params,0}')
    );
    delete from job where job.queue = v_queue;
    perform ectojob_advance(v_table);
end
$$;

comment on function ectojob_give_back is
    'Internal. Gives the kept table its name back and fills it with the jobs of the queue, which has none then.';
