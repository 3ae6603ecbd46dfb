alter table job
drop constraint job_obeys_rules,
add constraint job_state_is_known check (
    state in ('SCHEDULED', 'AVAILABLE', 'RESERVED', 'IN_PROGRESS', 'RETRY', 'FAILED')
),
add constraint job_params_is_object check (jsonb_typeof(params) = 'object'),
add constraint job_attempt_is_counted check (attempt between 0 and max_attempts),
add constraint job_in_progress_is_begun check (state <> 'IN_PROGRESS' or attempt >= 1),
add constraint job_waiting_has_attempts check (state in ('IN_PROGRESS', 'FAILED') or attempt < max_attempts),
add constraint job_held_has_lease check ((state in ('RESERVED', 'IN_PROGRESS')) = (expires is not null));

comment on table job is
    e'One row per job that is not completed: completing deletes it. Rows move between states by the functions of '
    'this schema alone; see them with \\df.';

drop domain job_rules;
drop type ruled_columns;

delete from migration
where id = '0005_job_rules';
