-- Sends what the job's notify asks for, at commit.

create or replace function announce(
    queue text,
    outcome text,
    payload text
)
returns void
language plpgsql
volatile
parallel unsafe
security invoker
set search_path from current
as $$
begin
    if announce.payload is not null then
        perform ectojob_announce(announce.queue, announce.outcome, announce.payload);

        perform pg_notify(ectojob_view.view_name || '.' || announce.outcome, announce.payload)
        from ectojob_view
        where ectojob_view.queue = announce.queue;
    end if;
end
$$;

comment on function announce is
    'Internal. Sends the notify text of a job on <schema>.<queue>.<outcome>, outcome being completed, retry or '
    'failed, when the transaction commits; and on <view>.<outcome>, as EctoJob does, if the queue has a view for it.';
