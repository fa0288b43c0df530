"""What the calls beside the trigger take: queries and bodies, checked to the letter of their API pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from email.message import Message
from http import HTTPStatus
from urllib.parse import parse_qs

from dbt_anymetrics.sandbox.answers import http_refusal
from dbt_anymetrics.sandbox.validation import RefusedError, content_type_problem, parse_object, parse_partition


def bad_request(text: str) -> RefusedError:
    """Refuse with HTTP 400, as the service is seen to refuse what lacks a parameter."""
    return RefusedError(http_refusal(HTTPStatus.BAD_REQUEST, text))


class Query:
    """The parameters in an address, each of which must be there once."""

    def __init__(self, query: str) -> None:
        self._values = parse_qs(query, keep_blank_values=True)

    def text(self, name: str) -> str:
        """A parameter that is not empty."""
        values = self._values.get(name, [])
        if len(values) != 1 or not values[0]:
            raise bad_request(f"the parameter {name} is {'repeated' if len(values) > 1 else 'missing'}")
        return values[0]

    def number(self, name: str, least: int) -> int:
        """A whole number of at least this."""
        text = self.text(name)
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) < least:
            raise bad_request(f"the parameter {name} must be a whole number from {least} on")
        return int(text)


class Body:
    """The fields of a JSON body, none of which is unknown."""

    def __init__(self, headers: Message, body: bytes, known: tuple[str, ...]) -> None:
        if problem := content_type_problem(headers):
            raise bad_request(problem)
        try:
            self.fields = parse_object(body)
        except (ValueError, RecursionError) as error:
            raise bad_request(f"the body is not a JSON object: {error}") from None
        if unknown := sorted(self.fields.keys() - set(known)):
            raise bad_request(f"unknown field {unknown[0]!r}")

    def one_of(self, *names: str) -> tuple[str, object]:
        """The one field of these that is there, and its value."""
        there = [name for name in names if self.fields.get(name) is not None]
        if len(there) != 1:
            raise bad_request(f"the body must have one of {' and '.join(names)}")
        return there[0], self.fields[there[0]]

    def text(self, name: str) -> str:
        """A field that is a text and not empty."""
        return checked_text(name, self.fields.get(name))

    def day(self, name: str) -> date:
        """A field that is a date, yyyy-MM-dd."""
        try:
            return parse_partition(self.text(name))
        except ValueError as error:
            raise bad_request(f"{name} {error}") from None

    def number(self, name: str) -> int | None:
        """A field that is a whole number above 0, or is not there."""
        value = self.fields.get(name)
        return None if value is None else checked_number(name, value)


def checked_text(name: str, value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise bad_request(f"{name} is missing" if value is None else f"{name} must be a text")
    return value


def checked_number(name: str, value: object) -> int:
    """A whole number above 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise bad_request(f"{name} is missing" if value is None else f"{name} must be a whole number above 0")
    return value


def checked_object(name: str, value: object) -> Mapping[str, object]:
    """An object."""
    if not isinstance(value, dict):
        raise bad_request(f"{name} is missing" if value is None else f"{name} must be an object")
    return value


def checked_list(name: str, value: object) -> list[object]:
    """A list."""
    if not isinstance(value, list):
        raise bad_request(f"{name} must be a list")
    return value


def checked_moment(name: str, value: object) -> datetime:
    """A time of the form yyyy-MM-ddTHH:mm:ss."""
    text = checked_text(name, value)
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 -- the API's times have no zone
    except ValueError:
        raise bad_request(f"{name} {text!r} is not of the form yyyy-MM-ddTHH:mm:ss") from None
