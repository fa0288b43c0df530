select orders.order_id, orders.amount
from {{ ref('fct_orders') }} as orders
inner join {{ ref('fct_order_items') }} as items on orders.order_id = items.order_id
group by orders.order_id, orders.amount
having orders.amount <> sum(items.amount)
