"""A client whose credential is a token: made from an application's id and secret, and once more when it has expired."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import date
from http import HTTPStatus

from msgspec.structs import replace

from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Call
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import Connection
from dbt_anymetrics.server.tokens import create_token


class RenewingClient:
    """Calls AnyMetrics with a token of its own, as `Client` does; safe to share between threads.

    The token is made at the first call, and once more when a call answers 401. When none can be made, that is the
    answer to every call.
    """

    def __init__(self, asking: Connection, app_id: str, environment: Mapping[str, str]) -> None:
        self._asking = asking
        self._app_id = app_id
        self._environment = environment
        self._client: Client | None = None
        self._made: list[Client] = []
        self._fault: Answer | None = None
        self._is_renewed = False
        self._lock = threading.Lock()
        # It makes no call: what is said of one that takes too long is the same with every credential.
        self._waiting = Client(asking, environment)

    def trigger(self, table_name: str, partition: date) -> Answer:
        """Tell AnyMetrics that one date of a table has new data."""
        return self._answer(lambda client: client.trigger(table_name, partition))

    def probe(self) -> Answer:
        """Make the cheapest read that needs the credentials."""
        return self._answer(Client.probe)

    def ask(self, call: Call) -> Answer:
        """Make any call but a trigger."""
        return self._answer(lambda client: client.ask(call))

    @property
    def call_limit(self) -> float:
        """Seconds after which a trigger is given up: two tokens may be made for it."""
        return 4 * self._waiting.call_limit

    def overdue(self) -> Answer:
        """What is said of a trigger that is given up."""
        return self._waiting.overdue()

    def close(self) -> None:
        """Close every session."""
        for client in (self._waiting, *self._made):
            client.close()

    def _answer(self, call: Callable[[Client], Answer]) -> Answer:
        client = self._current()
        if isinstance(client, Answer):
            return client
        answer = call(client)
        if answer.http_status != HTTPStatus.UNAUTHORIZED:
            return answer
        renewed = self._renewed(client)
        return call(renewed) if renewed else answer

    def _current(self) -> Client | Answer:
        with self._lock:
            if not self._client and not self._fault:
                self._make()
            return self._client or self._fault or Answer(message="no token was made")

    def _renewed(self, used: Client) -> Client | None:
        """The client with a newer token than the one that was used, if there is one."""
        with self._lock:
            if self._client is used and not self._is_renewed:
                self._is_renewed = True
                self._make()
            return None if self._client is used else self._client

    def _make(self) -> None:
        """Make a token, and a client that uses it; where none can be made, note why."""
        found = create_token(self._asking, self._app_id, self._environment)
        if found.value:
            self._client = Client(replace(self._asking, auth_value=found.value), self._environment)
            self._made.append(self._client)
        else:
            message = f"no token for ANYMETRICS_APP_ID: {found.answer.message}"
            self._fault = replace(found.answer, message=message, from_anymetrics=False)
