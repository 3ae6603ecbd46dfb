update (
    select id
    from bare.job force index (job_available)
    where queue = 'bench' and state = 'AVAILABLE'
    order by priority, schedule, id
    limit 100
    for update skip locked
) as next
straight_join bare.job on job.queue = 'bench' and job.id = next.id
set
    job.state = 'IN_PROGRESS',
    job.attempt = job.attempt + 1,
    job.expires = utc_timestamp(6) + interval 5 minute,
    job.token = %s,
    job.updated_at = utc_timestamp(6)
