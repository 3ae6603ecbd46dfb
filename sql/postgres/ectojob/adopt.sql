-- Takes over a table of EctoJob's, with its jobs, while it runs.

create or replace function adopt(
    queue text,
    relation text,
    dry_run boolean default false,
    lock_timeout interval default '2 seconds'
)
returns jsonb
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
declare
    v_parts constant text[] := ectojob_relation(adopt.relation);
    v_name constant text := format('%I.%I', v_parts[1], v_parts[2]);
    v_plan jsonb;
begin
    perform check_queue_name(adopt.queue);
    perform check_timeout('lock_timeout', adopt.lock_timeout);
    if to_regclass(v_name) is null then
        raise object_not_in_prerequisite_state using
            message = format('there is no table %s', v_name),
            hint = 'Pass EctoJob''s schema_prefix (public without one) and table_name.';
    end if;
    if adopt.dry_run is not true then
        -- Before the locks: whoever has the queue's row may be about to write jobs. It is kept from being dropped.
        perform from queue where queue.name = adopt.queue for key share;
        if not found then
            perform create_queue(adopt.queue);
        end if;
        perform ectojob_lock(v_name, coalesce(adopt.lock_timeout, '2 seconds'));
    end if;

    v_plan := ectojob_plan(adopt.queue, v_name::regclass);
    if adopt.dry_run is true then
        return v_plan;
    elsif v_plan -> 'objections' <> '[]' then
        raise object_not_in_prerequisite_state using
            message = format('%s cannot be adopted: %s', v_name, v_plan -> 'objections' ->> 0),
            hint = 'Called with dry_run => true it lists everything that stands in the way, and changes nothing.';
    end if;

    perform ectojob_take(adopt.queue, v_name::regclass);
    perform ectojob_replace(adopt.queue, v_parts[1], v_parts[2]);
    return v_plan;
end
$$;

comment on function adopt is
    'Makes the jobs of an EctoJob table jobs of a queue, ids kept, and puts a view in its place, on which EctoJob goes '
    'on; the table is kept as <name>_adopted. relation: schema.name. The queue is created if need be. dry_run: only '
    'say what would happen, taking no lock. lock_timeout: how long to wait, and hold up others, for each of two locks; '
    'then 55P03, and nothing has changed: try again. Runs with its caller''s rights. Raises 22023, 55000.';
