-- A small shop, in plain SQL. An order and the job that sends its receipt are stored in one transaction.

drop schema if exists demo_shop cascade;
create schema demo_shop;

-- What the till recorded: examples/orders.csv is copied into it.
create table demo_shop.till (
    id integer primary key,
    customer text not null,
    sku text not null,
    quantity integer not null,
    unit_cents integer not null,
    card text not null,
    send_after integer not null
);

create table demo_shop.orders (
    id integer primary key,
    customer text not null,
    total_cents integer not null
);

-- No unique key on purpose: it would hide a receipt that was written twice.
create table demo_shop.receipts (
    order_id integer not null,
    job_id bigint not null,
    attempt integer not null,
    written_at timestamptz not null default clock_timestamp()
);

-- One transaction per order. The card is charged last, so a declined one takes the order and its job back with it.
create procedure demo_shop.place_orders()
language plpgsql
as $$
declare
    v_sale demo_shop.till;
begin
    for v_sale in select * from demo_shop.till order by till.id loop
        insert into demo_shop.orders values (v_sale.id, v_sale.customer, v_sale.quantity * v_sale.unit_cents);

        perform jobs.enqueue(
            'demo_receipts',
            jsonb_build_object('order', v_sale.id, 'customer', v_sale.customer),
            schedule => clock_timestamp() + make_interval(secs => v_sale.send_after)
        );

        if v_sale.card = 'declined' then
            rollback;
        else
            commit;
        end if;
    end loop;
end
$$;

-- What must hold in the end, computed from what is stored. Every order has one receipt, or a FAILED job.
create view demo_shop.audit as
with receipt as (
    select
        receipts.order_id,
        count(*) as copies
    from demo_shop.receipts
    group by receipts.order_id
), live as (
    select
        (job.params ->> 'order')::integer as order_id,
        job.state
    from jobs.job
    where job.queue = 'demo_receipts'
), fate as (
    select
        orders.id is not null as ordered,
        till.card = 'declined' as declined,
        coalesce(receipt.copies, 0) as receipts,
        live.state
    from demo_shop.till
    full join demo_shop.orders on orders.id = till.id
    full join receipt on receipt.order_id = coalesce(orders.id, till.id)
    full join live on live.order_id = coalesce(orders.id, till.id, receipt.order_id)
)
select
    count(*) filter (where declined) as rolled_back,
    count(*) filter (where ordered) as orders,
    count(*) filter (where ordered and receipts = 1 and state is null) as sent_once,
    count(*) filter (where ordered and receipts = 0 and state = 'FAILED') as failed,
    count(*) filter (where ordered and receipts = 0 and state is null) as lost,
    count(*) filter (where receipts > 1) as sent_twice,
    count(*) filter (where receipts > 0 and not ordered) as sent_without_order,
    count(*) filter (where receipts > 0 and state is not null) as sent_and_not_completed,
    count(*) filter (where state <> 'FAILED') as still_waiting,
    count(*) filter (where ordered is distinct from not declined) as till_and_orders_differ
from fate;
