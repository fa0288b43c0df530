"""The examples of docs/orchestrators.md, as they stand there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.shop import ROOT

PAGE = (ROOT / "docs" / "orchestrators.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

QUIET = {
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "SCARF_NO_ANALYTICS": "true",
}
"""Without it, each of them sends telemetry."""


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip where one of these is not installed. `nox -s orchestrators` installs them."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed: nox -s orchestrators")


def example(*containing: str, **places: str) -> str:
    """The example with all of these texts, where each path of the page is replaced by one of this machine."""
    [found] = [text for text in EXAMPLES if all(each in text for each in containing)]
    for old, new in places.items():
        assert _PATHS[old] in found
        found = found.replace(_PATHS[old], new)
    return str(found)


_PATHS = {
    "airflow_shop": "/usr/local/airflow/dags/shop",
    "airflow_ledger": "/usr/local/airflow/anymetrics.db",
    "dagster_shop": "/opt/dagster/shop",
    "prefect_shop": "/opt/prefect/shop",
    "address": "https://anymetrics.example.com",
    "tenant": "tn_597771",
}


def written(path: Path, text: str) -> Path:
    """A file with this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
