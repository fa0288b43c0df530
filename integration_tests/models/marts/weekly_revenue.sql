select
    order_date,
    sum(amount) as revenue,
    {{ 'cast(null as integer)' if var('fail_test', false) else 'count(*)' }} as orders
from {{ ref('fct_orders') }}
group by order_date
