-- The shortest way to take jobs: delete a batch at once. There is no state in between, so a crash loses what was read
-- and not finished; unless the transaction stays open as long as the jobs run.
with taken as materialized (
    select ctid from bare.job
    where queue = 'bench' and state = 'AVAILABLE'
    order by priority, schedule, id
    limit 100
    for update skip locked
)
delete from bare.job
where ctid = any(array(select ctid from taken))
returning id, params
