{#- dbt leaves a template inside a string of config() as it is: the manifest holds its text, not its value. -#}
{{ config(meta={'anymetrics.partition': "{{ var('ds', run_started_at.strftime('%Y-%m-%d')) }}"}) }}

select
    customers.region,
    orders.order_date,
    count(*) as orders,
    sum(orders.amount) as amount
from {{ ref('fct_orders') }} as orders
inner join {{ ref('dim_customers') }} as customers on orders.customer_id = customers.customer_id
group by customers.region, orders.order_date
