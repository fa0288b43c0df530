"""`anymetrics.refresh(when='later')`: models and tests in dbt commands of their own, and one refresh at the end."""

from __future__ import annotations

import duckdb
import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.expected import MAIN, sent
from tests.ledgers import pending, rows
from tests.shop import DAY, DS, Shop

LINE = "{{ anymetrics.refresh(run_date='" + DAY + "', when='later') }}"
ORDER_ITEMS = (f"{MAIN}.fct_order_items", DAY)
CUSTOMERS = (f"{MAIN}.dim_customers", DAY)
WITHOUT_CREDENTIAL = {"ANYMETRICS_AUTH_VALUE": "", "ANYMETRICS_AUTH_TYPE": ""}


@pytest.fixture
def later(shop: Shop) -> Shop:
    """The shop with the hook that only notes what was built."""
    with (shop.folder / "dbt_project.yml").open("a") as file:
        file.write(f'\non-run-end: "{LINE}"\n')
    return shop


def mend(shop: Shop) -> None:
    """Make the test of fct_order_items pass."""
    with duckdb.connect(str(next(shop.folder.glob("*.duckdb")))) as data:
        data.execute("update main.fct_order_items set quantity = 4 where quantity is null")


def test_a_test_in_a_dbt_command_of_its_own_holds_back_what_was_noted(later: Shop, sandbox: Sandbox) -> None:
    with_fault = ("--vars", f"{{ds: {DAY}, fail_test: true}}")
    for model in ("fct_order_items", "dim_customers"):
        done = later.dbt("run", "--select", model, *with_fault, **WITHOUT_CREDENTIAL)
        assert done.returncode == 0, done.stdout
        assert "SKIP " in done.stdout
        assert "noted for later; 'dbt-anymetrics retry' refreshes it" in done.stdout
        assert "pending from earlier dbt runs" not in done.stdout
    assert later.dbt("test", "--select", "dim_customers").returncode == 0
    failed = later.dbt("test", "--select", "fct_order_items")
    assert failed.returncode == 1
    assert "model.shop.fct_order_items is held back from now on, because of failed tests: test.shop." in failed.stdout
    assert sent(sandbox) == []
    assert pending(later.target) == [CUSTOMERS, ORDER_ITEMS]

    done = later.cli("retry")
    assert (done.returncode, sent(sandbox)) == (0, [CUSTOMERS]), done.stderr
    assert "1 refresh waits until a failed test passes" in done.stderr

    mend(later)
    passed = later.dbt("test", "--select", "fct_order_items")
    assert "no longer held back by a failed test: it is noted for later again" in passed.stdout
    assert sent(sandbox) == [CUSTOMERS]
    assert later.cli("retry").returncode == 0
    assert sent(sandbox) == [CUSTOMERS, ORDER_ITEMS]
    assert later.cli("retry").returncode == 0
    assert len(sent(sandbox)) == 2


def test_what_is_noted_is_listed_with_its_reason_and_sent_by_a_refresh_too(later: Shop, sandbox: Sandbox) -> None:
    assert later.dbt("run", "--select", "dim_customers", *DS).returncode == 0
    assert rows(later.target, "SELECT message FROM refresh") == [
        ("noted for later; 'dbt-anymetrics retry' refreshes it",)
    ]
    assert "noted for later" in later.cli("status").stdout
    assert later.cli("refresh").returncode == 0
    assert (sent(sandbox), pending(later.target)) == ([CUSTOMERS], [])


def test_without_the_address_or_the_tenant_nothing_can_be_noted_and_it_is_said(later: Shop) -> None:
    done = later.dbt("run", "--select", "dim_customers", *DS, ANYMETRICS_TENANT_ID="")
    assert done.returncode == 0
    assert (
        "AnyMetrics was not refreshed: ANYMETRICS_TENANT_ID: is not set, so nothing can be noted for later"
        in done.stdout
    )


def test_where_no_python_listens_the_hook_says_that_nothing_was_noted(later: Shop) -> None:
    shadow = later.folder / "shadow"
    shadow.mkdir()
    (shadow / "dbt_anymetrics.py").touch()
    done = later.dbt("run", "--select", "dim_customers", *DS, PYTHONPATH=str(shadow))
    assert "[anymetrics] nothing was noted for later: the Python package dbt-anymetrics is not in" in done.stdout
    assert "Run 'dbt-anymetrics refresh' after dbt" in done.stdout
