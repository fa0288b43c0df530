select
    items.order_id,
    sum(items.quantity * products.price) as amount
from {{ ref('stg_order_items') }} as items
inner join {{ ref('stg_products') }} as products on items.product_id = products.product_id
group by items.order_id
