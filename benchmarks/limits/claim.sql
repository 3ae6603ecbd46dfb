-- A batch made IN_PROGRESS by one statement.
with taken as materialized (
    select ctid from bare.job
    where queue = 'bench' and state = 'AVAILABLE'
    order by priority, schedule, id
    limit 100
    for update skip locked
)
update bare.job set
    state = 'IN_PROGRESS', attempt = attempt + 1,
    expires = clock_timestamp() + interval '5 minutes', updated_at = clock_timestamp()
where ctid = any(array(select ctid from taken))
returning id, attempt, params
