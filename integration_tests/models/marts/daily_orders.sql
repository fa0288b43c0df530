{{ config(
    enabled=var('microbatch', false),
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='ordered_at',
    begin='2024-07-11',
    batch_size='day',
) }}

select order_id, customer_id, status, ordered_at
from {{ ref('stg_orders') }}
{% if var('fail_batch', none) is not none -%}
where case when order_date = cast('{{ var("fail_batch") }}' as date) then cast(status as integer) = 0 else true end
{%- endif %}
