drop table if exists job;
delete from migration where id = '0002_job';
