drop table if exists queue;
drop table if exists migration;
