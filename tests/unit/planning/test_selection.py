from __future__ import annotations

import pytest

from dbt_anymetrics.dbt_run.selectable import Selectable
from dbt_anymetrics.planning.selection import parse, selected

NODES = {
    "model.shop.orders": Selectable(
        name="orders",
        resource_type="model",
        package_name="shop",
        original_file_path="models/marts/core/orders.sql",
        fqn=["shop", "marts", "core", "orders"],
        tags=["nightly", "finance"],
        config={
            "materialized": "table",
            "enabled": True,
            "meta": {"anymetrics.datasource": "sr", "owner": {"team": "x"}},
        },
    ),
    "seed.shop.regions": Selectable(
        name="regions",
        resource_type="seed",
        package_name="shop",
        original_file_path="seeds\\\\regions.csv",
        fqn=["shop", "regions"],
        config={"meta": {"levels": [1, "two", False]}},
    ),
}

ORDERS, REGIONS = NODES

CASES: dict[str, set[str]] = {
    "tag:nightly": {ORDERS},
    "tag:night*": {ORDERS},
    "tag:nightly,tag:finance": {ORDERS},
    "tag:nightly,tag:hourly": set(),
    "tag:hourly regions": {REGIONS},
    "marts": {ORDERS},
    "marts.core": {ORDERS},
    "shop": {ORDERS, REGIONS},
    "shop.*.core": {ORDERS},
    "core": set(),
    "path:models": {ORDERS},
    "path:models/marts/": {ORDERS},
    "path:models/*/core": {ORDERS},
    "path:seeds/regions.csv": {REGIONS},
    "file:orders": {ORDERS},
    "regions.csv": {REGIONS},
    "package:sh*": {ORDERS, REGIONS},
    "resource_type:seed": {REGIONS},
    "config.materialized:table": {ORDERS},
    "config.enabled:true": {ORDERS},
    "config.meta.owner.team:x": {ORDERS},
    "config.meta.anymetrics.datasource:sr": {ORDERS},
    "config.meta.levels:two": {REGIONS},
    "config.meta.levels:1": {REGIONS},
    "config.meta.levels:false": {REGIONS},
    "config.meta.owner:x": set(),
}


@pytest.mark.parametrize("selection", CASES)
def test_a_selection_means_these_nodes(selection: str) -> None:
    assert selected(parse([selection]), NODES) == CASES[selection]


def test_several_options_add_nodes() -> None:
    assert selected(parse(["orders", "regions"]), NODES) == {ORDERS, REGIONS}
