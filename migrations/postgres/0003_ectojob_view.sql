-- depends: 0002_job
--
-- Which queues have a view that EctoJob works on, and which table of EctoJob's such a view stands for.

create table ectojob_view (
    queue text collate "C" not null,
    schema_name name not null,
    view_name name not null,
    kept_name name,
    adopted_at timestamptz,
    constraint ectojob_view_pkey primary key (queue),
    constraint ectojob_view_relation_is_unique unique (schema_name, view_name),
    constraint ectojob_view_kept_is_adopted check ((kept_name is null) = (adopted_at is null))
);

comment on table ectojob_view is
    'One row per queue that EctoJob works on, too. Written by create_ectojob_view, drop_ectojob_view, adopt and '
    'unadopt.';
comment on column ectojob_view.queue is 'The queue''s name.';
comment on column ectojob_view.schema_name is 'Where the view is: EctoJob''s schema_prefix.';
comment on column ectojob_view.view_name is
    'The view''s name: EctoJob''s table_name, and the channel it listens on. <view_name>.completed, .retry and .failed '
    'get the notify text of jobs, as from EctoJob.';
comment on column ectojob_view.kept_name is
    'The table that was adopted, which keeps its rows of then under this name for unadopt; null: none was.';
comment on column ectojob_view.adopted_at is 'When the table was adopted; null: none was.';

insert into migration (id) values ('0003_ectojob_view');
