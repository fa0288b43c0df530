{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='order_date') }}

select
    orders.order_id,
    orders.customer_id,
    orders.status,
    orders.order_date,
    {% if var('fail_model', false) -%}
    cast(orders.status as integer) as amount
    {%- else -%}
    amounts.amount
    {%- endif %}
from {{ ref('stg_orders') }} as orders
inner join {{ ref('int_order_amounts') }} as amounts on orders.order_id = amounts.order_id
{% if is_incremental() %}
{% if var('ds', none) is not none -%}
where orders.order_date = cast('{{ var("ds") }}' as date)
{%- else -%}
where orders.order_date >= (select max(order_date) from {{ this }})
{%- endif %}
{% endif %}
