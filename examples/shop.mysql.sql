-- A small shop, in plain SQL, for MySQL and MariaDB: mariadb --delimiter=// < examples/shop.mysql.sql
-- An order and the job that sends its receipt are stored in one transaction.

drop database if exists demo_shop //

create database demo_shop character set utf8mb4 //

-- What the till recorded: examples/orders.csv is loaded into it.
create table demo_shop.till (
    id integer primary key,
    customer text not null,
    sku text not null,
    quantity integer not null,
    unit_cents integer not null,
    card text not null,
    send_after integer not null
) //

create table demo_shop.orders (
    id integer primary key,
    customer text not null,
    total_cents integer not null
) //

-- No unique key on purpose: it would hide a receipt that was written twice.
create table demo_shop.receipts (
    order_id integer not null,
    job_id bigint not null,
    attempt integer not null,
    written_at timestamp(6) not null default current_timestamp(6)
) //

-- One transaction per order. The card is charged last, so a declined one takes the order and its job back with it.
create procedure demo_shop.place_orders()
begin
    declare v_id, v_total, v_send_after integer;
    declare v_customer, v_card text;
    declare v_sales cursor for
        select till.id, till.customer, till.quantity * till.unit_cents, till.card, till.send_after
        from demo_shop.till
        order by till.id;
    declare exit handler for not found begin end;

    open v_sales;
    loop
        fetch v_sales into v_id, v_customer, v_total, v_card, v_send_after;

        start transaction;
        insert into demo_shop.orders values (v_id, v_customer, v_total);

        call jobs.enqueue(
            'demo_receipts',
            json_object('order', v_id, 'customer', v_customer),
            utc_timestamp(6) + interval v_send_after second,
            null,
            null,
            null
        );

        if v_card = 'declined' then
            rollback;
        else
            commit;
            call jobs.wake('demo_receipts');
        end if;
    end loop;
end //

-- What must hold in the end, computed from what is stored. Every order has one receipt, or a FAILED job.
create view demo_shop.audit as
with trace (order_id, ordered, declined, receipts, waiting, failed) as (
    select till.id, 0, till.card = 'declined', 0, 0, 0 from demo_shop.till
    union all
    select orders.id, 1, null, 0, 0, 0 from demo_shop.orders
    union all
    select receipts.order_id, 0, null, 1, 0, 0 from demo_shop.receipts
    union all
    select json_extract(job.params, '$.order') + 0, 0, null, 0, job.state <> 'FAILED', job.state = 'FAILED'
    from jobs.job
    where job.queue = 'demo_receipts'
), fate as (
    select
        trace.order_id,
        sum(trace.ordered) as ordered,
        max(trace.declined) as declined,
        sum(trace.receipts) as receipts,
        sum(trace.waiting) as waiting,
        sum(trace.failed) as failed
    from trace
    group by trace.order_id
)
select
    count(if(fate.declined, 1, null)) as rolled_back,
    count(if(fate.ordered, 1, null)) as orders,
    count(if(fate.ordered and fate.receipts = 1 and fate.waiting + fate.failed = 0, 1, null)) as sent_once,
    count(if(fate.ordered and fate.receipts = 0 and fate.failed = 1, 1, null)) as failed,
    count(if(fate.ordered and fate.receipts = 0 and fate.waiting + fate.failed = 0, 1, null)) as lost,
    count(if(fate.receipts > 1, 1, null)) as sent_twice,
    count(if(fate.receipts > 0 and not fate.ordered, 1, null)) as sent_without_order,
    count(if(fate.receipts > 0 and fate.waiting + fate.failed > 0, 1, null)) as sent_and_not_completed,
    count(if(fate.waiting > 0, 1, null)) as still_waiting,
    count(if(not (fate.ordered <=> (not fate.declined)), 1, null)) as till_and_orders_differ
from fate
