"""What Airflow reads at its start, where there need be no Airflow."""

from __future__ import annotations

import re
import sys
from importlib import import_module

from dbt_anymetrics.integrations.airflow import provider
from tests.shop import ROOT


def test_the_entry_point_names_what_there_is_and_needs_no_airflow() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [(module, name)] = re.findall(r'^provider_info = "(.+):(.+)"$', project, re.MULTILINE)
    assert getattr(import_module(module), name) is provider.get_provider_info
    assert "airflow" not in sys.modules
    assert f'name = "{provider.get_provider_info()["package-name"]}"' in project


def test_the_form_has_the_credential_as_its_password_and_no_field_for_a_secret_in_extra() -> None:
    (kind,) = provider.get_provider_info()["connection-types"]
    assert kind["conn-fields"].keys() == {"tenant_id", "auth_type"}
    assert kind["ui-field-behaviour"]["relabeling"]["password"] == "Credential"
    assert "extra" in kind["ui-field-behaviour"]["hidden-fields"]
