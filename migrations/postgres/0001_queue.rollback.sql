drop table queue;
drop table migration;
