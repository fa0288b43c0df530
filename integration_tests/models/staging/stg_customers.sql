select
    id as customer_id,
    name as customer_name,
    region,
    cast(signed_up_on as date) as signed_up_on,
    cast(updated_at as timestamp) as updated_at
from {{ ref('raw_customers') }}
