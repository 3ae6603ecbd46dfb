-- What EctoJob's migration makes: CreateJobTable.up("jobs", version: 3).

create function fn_notify_inserted()
returns trigger as $$
declare
begin
    perform pg_notify(TG_TABLE_NAME, '');
    return new;
end;
$$ language plpgsql;

create table jobs (
    id bigserial,
    state varchar(255) default 'AVAILABLE' not null,
    expires timestamp,
    schedule timestamp default timezone('UTC', now()) not null,
    attempt integer default 0 not null,
    max_attempts integer default 5 not null,
    params jsonb not null,
    notify varchar(255),
    priority integer default 0 not null,
    inserted_at timestamp(0) not null,
    updated_at timestamp(0) not null,
    primary key (id)
);

create index jobs_priority_schedule_id_index on jobs (priority, schedule, id);

create trigger tr_notify_inserted_jobs
after insert on jobs
for each row
execute procedure fn_notify_inserted();

-- And the shop's own tables. mails has no unique key: the audit would not see a mail that is sent twice.

create table orders (id bigserial primary key, placed_at timestamptz not null default now());
create table mails (order_id bigint not null, sent_by text not null);
