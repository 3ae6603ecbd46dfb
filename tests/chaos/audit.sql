-- The invariants. Each view must be empty.

create index on chaos.step (key) where was is null;
create index on chaos.step (job, id);
create index on chaos.effect (job);
create index on chaos.errand (job);
analyze;

create view chaos.i1_lost as
select journal.key
from chaos.journal
left join chaos.step as born on born.key = journal.key and born.was is null
where journal.mark = 'committed'
    and not exists (
        select from chaos.effect
        where effect.job = born.job
    )
    and not exists (
        select from chaos.errand
        where errand.job = born.job
    )
    and not exists (
        select from jobs.job
        where job.id = born.job
    );

create view chaos.i1_born_twice as
select step.key
from chaos.step
where step.was is null
group by step.key
having count(*) > 1;

create view chaos.i2_effect_twice as
select
    effect.job,
    array_agg(effect.attempt) as attempts
from chaos.effect
group by effect.job
having count(*) > 1;

create view chaos.i3_effect_without_completion as
select effect.job from chaos.effect
where not exists (
        select from chaos.step
        where step.job = effect.job and step.became is null
    );

create view chaos.i3_completion_without_effect as
select step.job from chaos.step
where step.queue = 'chaos'
    and step.became is null
    and not exists (
        select from chaos.effect
        where effect.job = step.job and effect.attempt = step.attempt_was
    );

create view chaos.i3_errand_completed_and_not_run as
select step.job from chaos.step
where step.queue = 'errands'
    and step.became is null
    and not exists (
        select from chaos.errand
        where errand.job = step.job and errand.attempt = step.attempt_was
    );

-- A lease that ended, and when the sweep took the job back: after an outage counted from when workers were connected
-- again, 5 s being their longest pause. 1 s is the workers' poll_interval, and 2 s what is promised beside it.
create view chaos.lateness as
select
    step.queue,
    step.job,
    extract(epoch from step.at - greatest(step.expired, (
        select max(back.at) + interval '5 s' from chaos.back
        where back.at < step.at
    ))) as seconds
from chaos.step
where step.was in ('RESERVED', 'IN_PROGRESS') and step.became in ('AVAILABLE', 'FAILED') and step.expired < step.at;

create view chaos.i4_stuck as
select
    lateness.queue,
    lateness.job,
    lateness.seconds
from chaos.lateness
where lateness.seconds > 1 + 2
union all
select
    job.queue,
    job.id,
    null as seconds
from jobs.job
where job.state <> 'FAILED';

create view chaos.i5_attempts as
select
    step.job,
    step.id as step
from chaos.step
where step.attempt < step.attempt_was or step.attempt > step.max_attempts;

create view chaos.i5_begun_twice as
select
    step.job,
    step.attempt
from chaos.step
where step.became = 'IN_PROGRESS'
group by step.job, step.attempt
having count(*) > 1;

create view chaos.i6_no_such_edge as
select
    step.job,
    step.was,
    step.became,
    step.attempt - step.attempt_was as attempts
from chaos.step
where (coalesce(step.was, '-'), coalesce(step.became, '-'), coalesce(step.attempt - step.attempt_was, 0)) not in (
        ('-', 'AVAILABLE', 0), ('-', 'SCHEDULED', 0), ('SCHEDULED', 'AVAILABLE', 0), ('RETRY', 'AVAILABLE', 0),
        ('AVAILABLE', 'RESERVED', 0), ('RESERVED', 'IN_PROGRESS', 1), ('AVAILABLE', 'IN_PROGRESS', 1),
        ('RESERVED', 'AVAILABLE', 0), ('RESERVED', 'AVAILABLE', 1), ('RESERVED', 'FAILED', 1),
        ('IN_PROGRESS', 'AVAILABLE', 0), ('IN_PROGRESS', 'RETRY', 0), ('IN_PROGRESS', 'FAILED', 0),
        ('IN_PROGRESS', '-', 0), ('FAILED', 'AVAILABLE', 0)
    );

-- Each step begins where the one before ended, so nobody else held the job between the two.
create view chaos.i7_two_holders as
select
    steps.job,
    steps.id as step
from (
    select
        step.*,
        lag(step.became) over jobs as before,
        lag(step.attempt) over jobs as attempt_before
    from chaos.step
    window jobs as (partition by step.job order by step.id)
) as steps
where (steps.was, steps.attempt_was) is distinct from (steps.before, steps.attempt_before);

create view chaos.i8_sum as
with
steps as (
    select
        count(*) filter (where step.was is null) as born,
        count(*) filter (where step.became is null) as completed
    from chaos.step
),

kept as (
    select
        count(*) filter (where job.state = 'FAILED') as failed,
        count(*) filter (where job.state <> 'FAILED') as live
    from jobs.job
)

select
    steps.born,
    steps.completed,
    kept.failed,
    kept.live
from steps
cross join kept
where steps.born <> steps.completed + kept.failed + kept.live;

create view chaos.i9_refused_and_done as
select journal.key from chaos.journal
inner join chaos.step on step.key = journal.key and step.was is null
where journal.mark = 'refused';

create view chaos.i10_left_behind as
select
    pg_stat_activity.application_name,
    pg_stat_activity.state,
    pg_stat_activity.query
from pg_stat_activity
where pg_stat_activity.backend_type = 'client backend'
    and pg_stat_activity.datname = current_database()
    and pg_stat_activity.pid <> pg_backend_pid()
union all
select
    'prepared' as application_name,
    null as state,
    pg_prepared_xacts.gid
from pg_prepared_xacts;

-- What happened, for people.

create view chaos.sums as
with
marked as (
    select
        count(*) filter (where journal.mark = 'committed') as committed,
        count(*) filter (where journal.mark = 'refused') as refused
    from chaos.journal
),

stepped as (
    select
        count(*) filter (where step.was is null) as born,
        count(*) filter (where step.became is null) as done
    from chaos.step
),

ended as (
    select count(*) as failed from jobs.job
    where job.state = 'FAILED'
),

leases as (
    select
        count(*) as swept,
        coalesce(max(lateness.seconds), 0) as late
    from chaos.lateness
)

select
    marked.committed,
    marked.refused,
    stepped.born,
    stepped.done,
    ended.failed,
    leases.swept,
    leases.late
from marked
cross join stepped
cross join ended
cross join leases;

create view chaos.edges as
select
    concat_ws(' -> ', step.was, coalesce(step.became, 'done')) as edge,
    count(*) as steps
from chaos.step
group by edge
order by steps desc;
