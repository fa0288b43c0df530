from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dbt_anymetrics.defaults import AUTH_TYPES
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.server.connection import Connection, connection, secret
from dbt_anymetrics.server.secret import Secret

VALUE = "s3cret-value"

RIGHT: dict[str, Any] = {
    "url": "https://anymetrics.example.com",
    "tenant_id": "tn_1",
    "auth_type": "UID",
    "environment": {"ANYMETRICS_AUTH_VALUE": VALUE},
}


def made(**wrong: Any) -> Connection:
    return connection(**{**RIGHT, **wrong})


def test_right_settings_make_a_connection() -> None:
    right = made()
    assert (right.url, right.tenant_id, right.auth_type) == ("https://anymetrics.example.com", "tn_1", "UID")
    assert right.auth_value.reveal() == VALUE
    assert right.timeout == 30.0
    assert right.ca_bundle is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example.com", "https://a.example.com/anymetrics/api/v1/x"),
        ("https://a.example.com/", "https://a.example.com/anymetrics/api/v1/x"),
        (" http://10.0.0.8:8083 ", "http://10.0.0.8:8083/anymetrics/api/v1/x"),
        ("https://a.example.com/prefix//", "https://a.example.com/prefix/anymetrics/api/v1/x"),
        ("http://[::1]:8083", "http://[::1]:8083/anymetrics/api/v1/x"),
        ("http://a/anymetrics/api/v1", "http://a/anymetrics/api/v1/x"),
        ("http://a/anymetrics/api/v1/", "http://a/anymetrics/api/v1/x"),
        ("http://a/p/anymetrics/api/v1/scheduler/task/trigger", "http://a/p/anymetrics/api/v1/x"),
    ],
)
def test_an_address_is_the_base_whatever_of_the_api_it_ends_with(url: str, address: str) -> None:
    assert made(url=url).address("/x") == address


@pytest.mark.parametrize(
    "url",
    [
        *(
            None,
            "",
            " ",
            "anymetrics.example.com",
            "10.0.0.8:8083",
            "ftp://a",
            "//a",
            "http://",
            "http:///x",
            "http://:80",
        ),
        *("http://a:port", "http://a:99999", "http://a:0", "http://[::1", "http://u:p@a", "http://u@a", "http://@a"),
        *("http://a?x=1", "http://a#x", "http://a?", "http://a#", "http://a b", "http://a\x1bb", "http://a/\nb"),
    ],
)
def test_a_wrong_address_is_refused_and_not_repeated_with_its_password(url: str | None) -> None:
    with pytest.raises(UsageError, match=r"^--url / ANYMETRICS_URL: ") as refusal:
        made(url=url)
    assert "u:p" not in str(refusal.value)


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ({"tenant_id": None}, "--tenant-id / ANYMETRICS_TENANT_ID: is not set"),
        ({"tenant_id": " "}, "--tenant-id / ANYMETRICS_TENANT_ID: is not set"),
        ({"tenant_id": "tn\r\nX-Evil: 1"}, "--tenant-id / ANYMETRICS_TENANT_ID: has a character"),
        ({"tenant_id": "租户"}, "--tenant-id / ANYMETRICS_TENANT_ID: has a character"),
        ({"auth_type": None}, "--auth-type / ANYMETRICS_AUTH_TYPE: is not set"),
        ({"auth_type": " "}, "--auth-type / ANYMETRICS_AUTH_TYPE: is not set"),
        ({"auth_type": "PASSWORD"}, "--auth-type / ANYMETRICS_AUTH_TYPE: 'PASSWORD' is not one of UID, TOKEN"),
        ({"environment": {}}, "ANYMETRICS_AUTH_VALUE: is not set"),
        ({"environment": {"ANYMETRICS_AUTH_VALUE": " "}}, "ANYMETRICS_AUTH_VALUE: is not set"),
        ({"environment": {"ANYMETRICS_AUTH_VALUE": "a\nb"}}, "ANYMETRICS_AUTH_VALUE: has a character"),
        ({"timeout": 0}, "--timeout / ANYMETRICS_TIMEOUT"),
        ({"timeout": -1.0}, "--timeout / ANYMETRICS_TIMEOUT"),
        ({"timeout": 3601}, "--timeout / ANYMETRICS_TIMEOUT"),
        ({"timeout": float("nan")}, "--timeout / ANYMETRICS_TIMEOUT"),
        ({"timeout": float("inf")}, "--timeout / ANYMETRICS_TIMEOUT"),
        ({"ca_bundle": "/no/such/file"}, "--ca-bundle / ANYMETRICS_CA_BUNDLE: there is no file /no/such/file"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(setting: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as refusal:
        made(**setting)
    assert str(refusal.value).startswith(where)
    assert refusal.value.exit_code == 2


def test_a_ca_bundle_that_exists_is_taken(tmp_path: Path) -> None:
    assert made(ca_bundle=str(tmp_path)).ca_bundle == str(tmp_path)
    assert made(ca_bundle="").ca_bundle is None


@pytest.mark.parametrize("auth_type", [*AUTH_TYPES, "uid", " Token "])
def test_each_auth_type_is_known_in_any_case(auth_type: str) -> None:
    assert made(auth_type=auth_type).auth_type == auth_type.strip().upper()


def test_a_token_may_be_longer_than_the_limit_some_pages_print() -> None:
    assert made(environment={"ANYMETRICS_AUTH_VALUE": "t" * 5000}).auth_value.reveal() == "t" * 5000


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"ANYMETRICS_AUTH_VALUE": "a", "DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE": "b"}, "a"),
        ({"ANYMETRICS_AUTH_VALUE": "", "DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE": "b"}, "b"),
        ({"DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE": "b"}, "b"),
        ({}, None),
    ],
)
def test_the_auth_value_is_read_from_either_variable(environment: dict[str, str], expected: str | None) -> None:
    assert secret(environment) == expected


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("http://10.0.0.8:8083", True),
        ("http://127.evil.example.com", True),
        ("http://localhost.example.com", True),
        ("https://a.example.com", False),
        ("http://localhost:8083", False),
        ("http://127.0.0.1:8083", False),
        ("http://[::1]:8083", False),
    ],
)
def test_a_secret_over_http_to_another_machine_is_exposed(url: str, exposed: bool) -> None:
    assert made(url=url).is_exposed is exposed


@pytest.mark.parametrize("show", [repr, str, format, "%s".__mod__, "{!r}".format, lambda s: f"{[s]}"])
@pytest.mark.parametrize("holder", [Secret(VALUE), made()])
def test_a_secret_is_not_shown(holder: object, show: Callable[[object], str]) -> None:
    assert VALUE not in show(holder)


@pytest.mark.parametrize(
    "store", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, msgspec.json.encode, msgspec.to_builtins, vars, dict]
)
@pytest.mark.parametrize("holder", [Secret(VALUE), msgspec.structs.asdict(made())["auth_value"]])
def test_a_secret_is_not_copied_or_stored(holder: object, store: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as refusal:
        store(holder)
    assert VALUE not in str(refusal.value)


@pytest.mark.parametrize("store", [pickle.dumps, copy.deepcopy, msgspec.json.encode, msgspec.to_builtins])
def test_a_connection_is_not_stored_with_its_secret(store: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        store(made())


def test_a_traceback_shows_no_secret_even_with_its_local_variables() -> None:
    held = made()
    with pytest.raises(TypeError) as failure:
        pickle.dumps(held)
    shown = traceback.TracebackException.from_exception(failure.value, capture_locals=True)
    assert VALUE not in "".join(shown.format())


def test_a_refused_auth_value_is_not_repeated() -> None:
    wrong = {"ANYMETRICS_AUTH_VALUE": f"{VALUE}\nx"[::-1]}
    with pytest.raises(UsageError) as refusal:
        made(environment=wrong)
    assert VALUE[::-1] not in "".join(traceback.format_exception(refusal.value))


def test_a_secret_is_struck_out_of_a_text() -> None:
    assert Secret(VALUE).redact(f"a {VALUE} and {VALUE}") == "a ********** and **********"
