{{ config(materialized='view') }}

select order_id, customer_id, order_date, amount
from {{ ref('fct_orders') }}
where status in ('placed', 'shipped')
