-- Whether a worker of 0.1 calls. Until 0.3.

create or replace function is_former_worker(
    queue text
)
returns boolean
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    return current_setting('ectojob.release', true) is null
        and current_schema() || '.' || is_former_worker.queue in (select pg_listening_channels());
end
$$;

comment on function is_former_worker is
    'Internal. Whether this session listens as a worker of the queue does, and doesn''t say which release it is of, as '
    'later ones do: it knows no fall_asleep, and must be told all.';
