select product_id, order_date, sum(quantity) as quantity, sum(amount) as amount
from {{ ref('fct_order_items') }}
group by product_id, order_date
