select
    id as order_id,
    customer_id,
    status,
    cast(ordered_at as timestamp) as ordered_at,
    cast(ordered_at as date) as order_date
from {{ ref('raw_orders') }}
