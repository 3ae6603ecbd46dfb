-- JQ001, lease lost, for one job of a batch.

create or replace function raise_batch_lost(
    queue text,
    ids bigint[],
    attempts integer[],
    done bigint[]
)
returns void
language plpgsql
stable
parallel unsafe
security invoker
set search_path from current
as $$
begin
    perform raise_lease_lost(raise_batch_lost.queue, lost.id, lost.attempt)
    from (
        select held.id, held.attempt
        from unnest(raise_batch_lost.ids, raise_batch_lost.attempts) with ordinality as held (id, attempt, place)
        order by (held.id = any(raise_batch_lost.done)) is true, held.place
        limit 1
    ) as lost;
end
$$;

comment on function raise_batch_lost is
    'Internal. Raises what raise_lease_lost says of the first job of a batch that is not among those done; or of the '
    'first of all, when one is there twice.';
