select customer_id, customer_name, region, signed_up_on
from {{ ref('stg_customers') }}
