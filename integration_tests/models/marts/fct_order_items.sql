select
    items.order_item_id,
    items.order_id,
    items.product_id,
    orders.order_date,
    {{ 'nullif(items.quantity, 4)' if var('fail_test', false) else 'items.quantity' }} as quantity,
    items.quantity * products.price as amount
from {{ ref('stg_order_items') }} as items
inner join {{ ref('stg_orders') }} as orders on items.order_id = orders.order_id
inner join {{ ref('dim_products', v=2) }} as products on items.product_id = products.product_id
