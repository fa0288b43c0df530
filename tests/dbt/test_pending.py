"""What a failed test held back, over several runs of real dbt, in each of the three ways in."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import sent, sent_tables
from tests.ledgers import pending
from tests.shop import DAY, Shop
from tests.tiers import tiered


def by_the_hook(shop: Shop, *arguments: str) -> None:
    shop.dbt(*arguments)


def by_the_command(shop: Shop, *arguments: str) -> None:
    shop.dbt(*arguments)
    shop.cli("refresh", "--run-date", DAY)


def by_the_wrapper(shop: Shop, *arguments: str) -> None:
    shop.program("dbt", "--run-date", DAY, *arguments)


def with_hook(shop: Shop) -> Shop:
    with (shop.folder / "dbt_project.yml").open("a") as file:
        file.write(f"\non-run-end: \"{{{{ anymetrics.refresh(run_date='{DAY}') }}}}\"\n")
    return shop


@pytest.mark.parametrize("way", tiered([by_the_hook, by_the_command, by_the_wrapper], lambda number, _: number == 0))
def test_a_test_that_passes_on_dbt_retry_lets_its_table_be_refreshed(
    way: Callable[..., None], shop: Shop, sandbox: Sandbox
) -> None:
    if way is by_the_hook:
        with_hook(shop)
    way(shop, "build", "--select", "fct_order_items", "--vars", f"{{ds: {DAY}, fail_test: true}}")
    assert sent(sandbox) == []
    assert len(pending(shop.target)) == 1
    with duckdb.connect(str(next(shop.folder.glob("*.duckdb")))) as data:
        data.execute("update main.fct_order_items set quantity = 4 where quantity is null")
    way(shop, "retry")
    assert sent_tables(sandbox) == {"fct_order_items"}
    assert pending(shop.target) == []


def test_dbt_test_with_the_hook_refreshes_what_was_held_back_too(shop: Shop, sandbox: Sandbox) -> None:
    with_hook(shop).dbt("build", "--select", "fct_order_items", "--vars", f"{{ds: {DAY}, fail_test: true}}")
    with duckdb.connect(str(next(shop.folder.glob("*.duckdb")))) as data:
        data.execute("update main.fct_order_items set quantity = 4 where quantity is null")
    done = shop.dbt("test", "--select", "fct_order_items")
    assert sent_tables(sandbox) == {"fct_order_items"}, done.stdout
