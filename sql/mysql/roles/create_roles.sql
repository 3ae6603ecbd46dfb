-- The definer, and the roles. To end sleeps of other accounts, wake must be allowed to interrupt them.

create user if not exists `jobs_owner`@`localhost` account lock;
grant select, insert, update, delete, execute on `jobs`.* to `jobs_owner`@`localhost`;
/*M!100502 grant connection admin on *.* to `jobs_owner`@`localhost` */;
/*!80000 grant connection_admin on *.* to `jobs_owner`@`localhost` */;

create role if not exists `jobs_producer`;
create role if not exists `jobs_worker`;
create role if not exists `jobs_reader`;
create role if not exists `jobs_admin`;
