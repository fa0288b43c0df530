"""The API without its sockets: decides each answer and records it."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from email.message import Message
from time import time_ns

from dbt_anymetrics.sandbox.answers import ACCEPTED, LOGIN, LOGIN_PATH, METRICS, SHAPES, Answer, Delivery, Shape
from dbt_anymetrics.sandbox.calls import CALLS, TOKEN_PATH, World
from dbt_anymetrics.sandbox.received import MASK, Received, Request, masked_headers, named_in
from dbt_anymetrics.sandbox.validation import (
    OWN_METHODS,
    TRIGGER_PATH,
    Identity,
    RefusedError,
    check_identity,
    check_paging,
    check_route,
    check_trigger,
    parse_partition,
    parse_table_name,
)

Answers = Callable[[int], "Shape | None"]

_METHODS = {**OWN_METHODS, **{path: method for path, (method, _) in CALLS.items()}}


class Api:
    """Answers requests as the options of the sandbox say, and remembers them; safe to share between threads."""

    def __init__(
        self,
        identity: Identity,
        world: World,
        answers: Answers | Shape | None,
        on_request: Callable[[Received], None] | None,
    ) -> None:
        self._identity = identity
        self._world = world
        self._answers = answers
        self._on_request = on_request
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._triggers = itertools.count()

    @property
    def received(self) -> list[Received]:
        """A copy of what was received so far."""
        with self._lock:
            return list(self._received)

    def exchange(self, request: Request, refused: Answer | None = None) -> tuple[Answer, str]:
        """Decide the answer, unless the request was `refused` before it was read whole; give its trace id too."""
        # Before anything else, so that no message, record or page can contain a secret.
        shown = request.without_secrets(self._identity.auth_value, self._identity.tenant_id)
        if _path(request) == TOKEN_PATH:
            # What makes a token is itself a secret; its handler alone has to see it.
            shown = replace(shown, body=MASK.encode())
        else:
            request = shown
        answer = refused or self._answer(request)
        received = self._record(shown, answer)
        if self._on_request:
            self._on_request(received)
        return answer, received.trace_id

    def _answer(self, request: Request) -> Answer:
        try:
            return self._checked(request)
        except RefusedError as error:
            return error.answer

    def _checked(self, request: Request) -> Answer:
        path = _path(request)
        check_route(request.method, path, _METHODS)
        if path == LOGIN_PATH:
            return LOGIN
        if path == TRIGGER_PATH:
            return self._trigger(request)
        if path != TOKEN_PATH:
            self._check_identity(request.headers)
        answer = self._called(path, request)
        return SHAPES[self._answers] if isinstance(self._answers, Shape) else answer

    def _called(self, path: str, request: Request) -> Answer:
        if path in CALLS:
            _, handler = CALLS[path]
            return handler(self._world, request)
        check_paging(request.target.partition("?")[2])
        return METRICS

    def _trigger(self, request: Request) -> Answer:
        with self._lock:
            number = next(self._triggers)
        self._check_identity(request.headers)
        check_trigger(request.headers, request.body, self._identity.tenant_id)
        shape = self._answers(number) if callable(self._answers) else self._answers
        answer = SHAPES[shape] if shape else ACCEPTED
        if answer.ok:
            table_name, partition = named_in(request.body)
            table = ".".join(parse_table_name(table_name or "")[1:])
            self._world.triggered(table, parse_partition(partition or ""))
        return answer

    def _check_identity(self, headers: Message) -> None:
        """Refuse a caller who has neither the sandbox's own credential nor a token from it."""
        identity, given = self._identity, headers["auth-value"] or ""
        if headers["auth-type"] == "TOKEN" and self._world.tokens.knows(given):
            identity = replace(identity, auth_type="TOKEN", auth_value=given)
        check_identity(headers, identity)

    def _record(self, request: Request, answer: Answer) -> Received:
        table_name, partition = named_in(request.body)
        silent = answer.delivery in (Delivery.NEVER, Delivery.RESET)
        with self._lock:
            received = Received(
                number=len(self._received),
                time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                method=request.method,
                path=request.target,
                table_name=table_name,
                partition=partition,
                ok=answer.ok,
                status=None if silent else int(answer.status),
                code=answer.code,
                message=answer.message,
                trace_id=new_trace_id(),
                headers=masked_headers(request.headers),
                body=request.body.decode(errors="replace"),
                detail=answer.detail,
            )
            self._received.append(received)
        return received


def _path(request: Request) -> str:
    return request.target.partition("?")[0]


def new_trace_id() -> str:
    """Make a trace id of the look AnyMetrics gives: 32 hex digits, a thread number, a time with a serial."""
    return f"{uuid.uuid4().hex}.{threading.get_ident() % 1000}.{time_ns() // 100_000}"
