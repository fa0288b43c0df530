select
    customers.customer_id,
    {{ 'cast(null as varchar)' if var('fail_test', false) else 'customers.region' }} as region,
    coalesce(sum(orders.amount), 0) as lifetime_value
from {{ ref('dim_customers') }} as customers
left join {{ ref('fct_orders') }} as orders on customers.customer_id = orders.customer_id
group by customers.customer_id, customers.region
