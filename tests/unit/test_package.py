"""What importing the package loads, and what it offers."""

from __future__ import annotations

import subprocess
import sys

import dbt_anymetrics

LOADED = """
import sys
before = set(sys.modules)
import dbt_anymetrics
assert hasattr(dbt_anymetrics, "plugins")
print(*sorted(name for name in set(sys.modules) - before))
"""

LISTED = """
import sys
sys.argv = ["dbt-anymetrics", "plan", "--help"]
import dbt_anymetrics.cli
try:
    dbt_anymetrics.cli.main()
except SystemExit:
    pass
print()
print(*sys.modules)
"""


def loaded(script: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_but_the_standard_library() -> None:
    assert {name.partition(".")[0] for name in loaded(LOADED)} <= {"dbt_anymetrics", *sys.stdlib_module_names}
    assert {name for name in loaded(LOADED) if name.startswith("dbt_anymetrics")} == {"dbt_anymetrics"}


def test_help_loads_neither_requests_nor_jinja2_nor_yaml_nor_dbt() -> None:
    assert loaded(LISTED).isdisjoint({"requests", "urllib3", "jinja2", "yaml", "dbt", "http.server"})


def test_everything_that_is_offered_can_be_imported() -> None:
    assert dbt_anymetrics.__all__ == sorted(dbt_anymetrics.__all__)
    for name in dbt_anymetrics.__all__:
        assert getattr(dbt_anymetrics, name) is not None


def test_outside_dbt_there_is_no_plugin() -> None:
    assert "dbt.plugins.manager" in sys.modules or dbt_anymetrics.plugins == []
