"""A minimum interval: what was confirmed a moment ago is not sent, and stays pending."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from tests.builders import Json, manifest_json, node_json, result_json, run_json, write_artifacts
from tests.expected import sent
from tests.ledgers import changed, pending
from tests.shop import DAY, Shop

TABLE = "sr.`default_catalog.mart`.orders"
OTHER = "sr.`default_catalog.mart`.customers"


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    return Shop(tmp_path, {**sandbox.environment, "ANYMETRICS_DATASOURCE": "sr", "ANYMETRICS_RUN_DATE": DAY})


def ran(shop: Shop, invocation: str, meta: Json | None = None) -> None:
    known = manifest_json(
        node_json("orders", {"anymetrics.enabled": True, **(meta or {})}),
        node_json("customers", {"anymetrics.enabled": True}),
    )
    known["metadata"]["invocation_id"] = invocation
    built = (result_json("orders"), result_json("customers"))
    write_artifacts(shop.target, known, run_json(*built, invocation_id=invocation))


def test_what_was_confirmed_a_moment_ago_is_not_sent_and_stays_pending(shop: Shop, sandbox: Sandbox) -> None:
    ran(shop, "first", {"anymetrics.min_interval": "15m"})
    assert shop.cli("refresh").returncode == 0
    ran(shop, "second", {"anymetrics.min_interval": "15m"})
    plan = shop.cli("plan").stdout
    done = shop.cli("refresh")
    assert done.returncode == 0
    for said in (plan, done.stdout):
        assert "confirmed less than a minute ago, and its minimum interval is 15m; it stays pending" in said
    assert sorted(sent(sandbox)) == sorted([(TABLE, DAY), (OTHER, DAY), (OTHER, DAY)])
    assert pending(shop.target) == [(TABLE, DAY)]
    assert [each["postponed"] for each in shop.artifact()["results"] if each["table_name"] == TABLE] == [True]
    assert "minimum interval" in shop.cli("status").stdout


def test_after_the_interval_it_is_sent_once_for_all_runs(shop: Shop, sandbox: Sandbox) -> None:
    for invocation in ("first", "second"):
        ran(shop, invocation, {"anymetrics.min_interval": "15m"})
        assert shop.cli("refresh").returncode == 0
    changed(shop.target, "UPDATE outcome SET completed_at = '2024-01-01T00:00:00+00:00'")
    ran(shop, "third", {"anymetrics.min_interval": "15m"})
    assert shop.cli("refresh").returncode == 0
    assert sent(sandbox).count((TABLE, DAY)) == 2
    assert pending(shop.target) == []


@pytest.mark.parametrize("way", ["retry", "force", "no interval", "another date"])
def test_an_order_is_not_postponed(way: str, shop: Shop, sandbox: Sandbox) -> None:
    for invocation in ("first", "second"):
        ran(shop, invocation, {"anymetrics.min_interval": "15m"})
        assert shop.cli("refresh").returncode == 0
    if way == "no interval":
        ran(shop, "third")
    asked = {"retry": ("retry",), "another date": ("refresh", "--run-date", "2024-07-18")}.get(way, ("refresh",))
    assert shop.cli(*asked, *(("--force",) if way == "force" else ())).returncode == 0
    assert len([table for table, _ in sent(sandbox) if table == TABLE]) == 2
    assert pending(shop.target) == ([(TABLE, DAY)] if way == "another date" else [])


def test_the_option_is_for_nodes_without_their_own(shop: Shop, sandbox: Sandbox) -> None:
    for invocation in ("first", "second"):
        ran(shop, invocation, {"anymetrics.min_interval": "0s"})
        assert shop.cli("refresh", ANYMETRICS_MIN_INTERVAL="1h").returncode == 0
    assert sorted(sent(sandbox)) == sorted([(TABLE, DAY), (TABLE, DAY), (OTHER, DAY)])


@pytest.mark.parametrize("text", ["soon", "15", "15 minutes", "-5m", "1.5h", "m", "9999999d"])
def test_an_interval_that_is_no_length_of_time_is_an_error(text: str, shop: Shop, sandbox: Sandbox) -> None:
    ran(shop, "first", {"anymetrics.min_interval": text})
    done = shop.cli("refresh")
    assert done.returncode == 1
    assert "anymetrics.min_interval" in done.stdout
    assert "is not a length of time. Write 90s, 15m, 2h or 1d" in done.stdout
    assert sent(sandbox) == [(OTHER, DAY)]
    refused = shop.cli("refresh", "--min-interval", text)
    assert refused.returncode == 2
    assert "--min-interval / ANYMETRICS_MIN_INTERVAL" in refused.stderr
