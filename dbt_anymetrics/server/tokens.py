"""Tokens, which stand in the place of a credential for a while."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from msgspec import Struct

from dbt_anymetrics.server.call import Call, Reading
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import Connection
from dbt_anymetrics.server.secret import Secret

CREATE = "/token/create"


class _Answer(Struct):
    data: str | list[object] | dict[str, object]

    def __post_init__(self) -> None:
        # What is refused here is not shown; what `confirms` refuses would be, and it may hold the token.
        if len(self.texts) != 1:
            raise ValueError("there is not one text in its data")

    @property
    def texts(self) -> list[str]:
        """The texts in the data that can stand in a header."""
        data = self.data
        values: list[object] = [data] if isinstance(data, str) else [*data.values()] if isinstance(data, dict) else data
        texts = [value.strip() for value in values if isinstance(value, str)]
        return [text for text in texts if text and text.isascii() and text.isprintable()]


def create_token(asking: Connection, app_id: str, environment: Mapping[str, str]) -> Reading[Secret]:
    """Exchange an application's id and secret for a token (AnyMetrics API page of token/create).

    `asking` holds the application's secret in the place of its auth value, so that it is kept out of sight in the same
    way. The call goes without the headers of all others. The API page prints the token as a text and calls it an array:
    a text is accepted, and a list or an object with one text. It holds for six hours, and is the auth value of the auth
    type TOKEN.
    """
    body = {"appId": app_id, "appSecret": asking.auth_value.reveal()}
    call = Call(method="POST", path=CREATE, body=body, form=_Answer, is_anonymous=True)
    with closing(Client(asking, environment)) as client:
        return Reading.of(client.ask(call), lambda answer: Secret(answer.texts[0]))
