"""What a build of the shop is to refresh, and what reached a sandbox."""

from __future__ import annotations

from dbt_anymetrics.sandbox import Sandbox
from tests.shop import DAY

WEEK = [f"2024-07-{day}" for day in range(10, 17)]

MAIN = "duckdb.`shop.main`"

BUILD = {
    *((f"{MAIN}.{name}", DAY) for name in ("raw_customers", "raw_orders", "raw_order_items", "raw_products")),
    *((f"{MAIN}.{name}", DAY) for name in ("dim_customers", "dim_products_v1", "dim_products_v2", "fct_orders")),
    *((f"{MAIN}.{name}", DAY) for name in ("fct_order_items", "orders_by_region", "customer_value", "open_orders")),
    *((f"{MAIN}.weekly_revenue", day) for day in WEEK),
    *(("duckdb.`lake.main`.product_sales_daily", day) for day in ("2024-07-16", DAY)),
    ("duckdb.`shop.snapshots`.customers_snapshot", DAY),
}
"""What `dbt build` of the shop is to refresh on 2024-07-17."""


def sent(sandbox: Sandbox) -> list[tuple[str | None, str | None]]:
    return [(request.table_name, request.partition) for request in sandbox.received if request.table_name]


def sent_tables(sandbox: Sandbox) -> set[str]:
    return {str(table).rsplit(".", 1)[1] for table, _ in sent(sandbox)}
