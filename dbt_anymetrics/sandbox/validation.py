"""The rules of the AnyMetrics API page, Data Update, checked to the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from email.message import Message
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

from dbt_anymetrics.sandbox.answers import (
    LOGIN_PATH,
    NO_PERMISSION,
    SYSTEM_ERROR,
    Answer,
    http_refusal,
    refusal,
)

TRIGGER_PATH = "/anymetrics/api/v1/scheduler/task/trigger"
METRICS_PATH = "/anymetrics/api/v1/metrics/list"
OWN_METHODS = {TRIGGER_PATH: "POST", METRICS_PATH: "GET", LOGIN_PATH: "GET"}

AUTH_TYPES = ("UID", "TOKEN", "ACCOUNT", "APIKEY")
FIELDS = ("tableName", "tenantId", "tablePartition")
NAME_LIMIT = 128
BODY_LIMIT = 64 * 1024


class RefusedError(Exception):
    """A request that breaks a rule, with the answer it gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


@dataclass(frozen=True)
class Identity:
    """The three values every call must carry as headers."""

    tenant_id: str
    auth_type: str
    auth_value: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what could not be a header or a tenantId."""
        if self.auth_type not in AUTH_TYPES:
            raise ValueError(f"auth_type is {self.auth_type!r}, not one of {', '.join(AUTH_TYPES)}")
        for name in ("tenant_id", "auth_value"):
            value = getattr(self, name)
            if not (value.isascii() and value.isprintable() and value == value.strip() != ""):
                raise ValueError(f"{name} must be printable ASCII, not empty, with no space around it")
        if len(self.tenant_id) > NAME_LIMIT:
            raise ValueError(f"tenant_id has {len(self.tenant_id)} characters, the most is {NAME_LIMIT}")


class TableName(NamedTuple):
    """The four parts of a tableName."""

    source: str
    catalog: str
    schema: str
    table: str


def check_route(method: str, path: str, methods: Mapping[str, str]) -> None:
    """Refuse a path the sandbox does not have, and a method the path does not have."""
    if path not in methods:
        raise RefusedError(http_refusal(HTTPStatus.NOT_FOUND, f"the sandbox has no path {path}"))
    if method != methods[path]:
        text = f"{path} takes {methods[path]}, not {method}"
        raise RefusedError(http_refusal(HTTPStatus.METHOD_NOT_ALLOWED, text, {"Allow": methods[path]}))


def body_length(method: str, headers: Message) -> int:
    """Read how many bytes of body follow."""
    if headers.get("Transfer-Encoding"):
        text = "the body must come with a Content-Length, not a Transfer-Encoding"
        raise RefusedError(http_refusal(HTTPStatus.LENGTH_REQUIRED, text))
    values = headers.get_all("Content-Length", [])
    if not values and method in ("POST", "PUT", "PATCH"):
        raise RefusedError(http_refusal(HTTPStatus.LENGTH_REQUIRED, "the header Content-Length is missing"))
    if len(values) > 1 or not all(re.fullmatch("[0-9]{1,18}", value) for value in values):
        raise RefusedError(http_refusal(HTTPStatus.BAD_REQUEST, "the header Content-Length is not one number"))
    return int(values[0]) if values else 0


def check_body_size(length: int) -> None:
    """Refuse a body that is too large to be a trigger."""
    if length > BODY_LIMIT:
        text = f"the body has {length} bytes, the most is {BODY_LIMIT}"
        raise RefusedError(http_refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text))


def check_identity(headers: Message, identity: Identity) -> None:
    """Refuse a caller whose headers are not exactly the sandbox's identity."""
    problem = next(identity_problems(headers, identity), None)
    if problem:
        raise RefusedError(refusal(NO_PERMISSION, problem))


def identity_problems(headers: Message, identity: Identity) -> Iterator[str]:
    """Yield what is wrong with the headers, never with the value of auth-value."""
    for name in ("tenant-id", "auth-type", "auth-value"):
        values = headers.get_all(name, [])
        if len(values) != 1 or not values[0]:
            yield f"the header {name} is {'repeated' if len(values) > 1 else 'empty' if values else 'missing'}"
    if headers["auth-type"] not in AUTH_TYPES:
        yield f"the header auth-type is {headers['auth-type']!r}, not one of {', '.join(AUTH_TYPES)}"
    if headers["tenant-id"] != identity.tenant_id:
        yield f"the header tenant-id is {headers['tenant-id']!r}, the sandbox has only {identity.tenant_id!r}"
    if headers["auth-type"] != identity.auth_type:
        yield f"the header auth-type is {headers['auth-type']!r}, the sandbox takes only {identity.auth_type!r}"
    if headers["auth-value"] != identity.auth_value:
        yield "the header auth-value is not the value the sandbox was started with"


def check_paging(query: str) -> None:
    """Refuse a metrics read without its page number and size."""
    parameters = parse_qs(query, keep_blank_values=True)
    for name in ("pageNumber", "pageSize"):
        values = parameters.get(name, [])
        if len(values) != 1 or not re.fullmatch("[1-9][0-9]{0,8}", values[0]):
            raise RefusedError(refusal(SYSTEM_ERROR, f"the parameter {name} must be one whole number above 0"))


def check_trigger(headers: Message, body: bytes, tenant_id: str) -> None:
    """Refuse a trigger whose content type or body breaks a rule; name every field that does."""
    problem = content_type_problem(headers)
    if problem:
        raise RefusedError(refusal(SYSTEM_ERROR, problem))
    try:
        fields = parse_object(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(refusal(SYSTEM_ERROR, f"the body is not a JSON object: {error}")) from None
    problems = "; ".join(field_problems(fields, tenant_id))
    if problems:
        raise RefusedError(refusal(SYSTEM_ERROR, problems))


def content_type_problem(headers: Message) -> str | None:
    """Say what is wrong with the header Content-Type."""
    given = headers.get("Content-Type")
    if given is None:
        return "the header Content-Type is missing"
    charset = headers.get_content_charset("utf-8")
    if headers.get_content_type() != "application/json" or charset != "utf-8":
        return f"the header Content-Type is {given!r}, not application/json in UTF-8"
    return None


def parse_object(body: bytes) -> dict[str, object]:
    """Parse a JSON object as the standard has it: UTF-8, no NaN, and no field twice."""
    value = json.loads(body.decode(), object_pairs_hook=without_repeats, parse_constant=no_constant)
    if not isinstance(value, dict):
        raise ValueError(f"it is {json_type(value)}")  # noqa: TRY004 -- one error type for all that is no object
    return value


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make the object. Raises ValueError when a field occurs twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field occurs twice")
    return fields


def no_constant(name: str) -> object:
    """Refuse the numbers that only Python calls JSON."""
    raise ValueError(f"{name} is not JSON")


def field_problems(fields: Mapping[str, object], tenant_id: str) -> Iterator[str]:
    """Yield each problem of the body's fields."""
    for name in FIELDS:
        value = fields.get(name)
        if name not in fields:
            yield f"{name} is missing"
        elif not isinstance(value, str):
            yield f"{name} must be a string, it is {json_type(value)}"
        else:
            yield from value_problems(name, value, tenant_id)
    for name in fields:
        if name not in FIELDS:
            yield f"unknown field {name!r}"


def value_problems(name: str, value: str, tenant_id: str) -> Iterator[str]:
    """Yield the problem of one field that is a string."""
    try:
        if name == "tableName":
            parse_table_name(value)
        elif name == "tablePartition":
            parse_partition(value)
        elif value != tenant_id:
            yield f"tenantId is {value!r}, the header tenant-id is {tenant_id!r}"
    except ValueError as error:
        yield f"{name} {error}"


def parse_table_name(text: str) -> TableName:
    """Take ``<data source>.`<catalog>.<schema>`.<table>`` apart; ValueError says what is wrong."""
    if len(text) > NAME_LIMIT:
        raise ValueError(f"has {len(text)} characters, the most is {NAME_LIMIT}, backticks included")
    pieces = text.split("`")
    if len(pieces) != 3:  # noqa: PLR2004 -- two backticks make three pieces
        raise ValueError(f"{text!r} must have two backticks, around `<catalog>.<schema>`, not {len(pieces) - 1}")
    source, middle, table = pieces
    if not source.endswith(".") or not table.startswith("."):
        raise ValueError(f"{text!r} is not of the form <data source>.`<catalog>.<schema>`.<table>")
    if middle.count(".") != 1:
        raise ValueError(f"{text!r} must have <catalog>.<schema> between its backticks, with one dot")
    catalog, schema = middle.split(".")
    name = TableName(source[:-1], catalog, schema, table[1:])
    for part, value in zip(("data source", "catalog", "schema", "table"), name, strict=True):
        check_part(part, value)
    return name


def check_part(part: str, value: str) -> None:
    """Refuse a part of a table name that is not valid between dots."""
    if not value:
        raise ValueError(f"has no {part}")
    if "." in value:
        raise ValueError(f"has a dot in its {part} {value!r}")
    if value != value.strip() or not value.isprintable():
        raise ValueError(f"has a space around or a control character in its {part} {value!r}")


def parse_partition(text: str) -> date:
    """Read a date that is strictly yyyy-MM-dd; ValueError says what is wrong."""
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"{text!r} is not of the form yyyy-MM-dd")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date that exists") from None


def json_type(value: object) -> str:
    """Name the JSON type of a value."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")
