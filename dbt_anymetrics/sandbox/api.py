"""The API without its sockets: decides each answer and records it."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from time import time_ns

from dbt_anymetrics.sandbox.answers import ACCEPTED, LOGIN, LOGIN_PATH, METRICS, SHAPES, Answer, Delivery, Shape
from dbt_anymetrics.sandbox.received import Received, Request, masked_headers, named_in
from dbt_anymetrics.sandbox.validation import (
    TRIGGER_PATH,
    Identity,
    RefusedError,
    check_identity,
    check_paging,
    check_route,
    check_trigger,
)

Answers = Callable[[int], "Shape | None"]


class Api:
    """Answers requests as the options of the sandbox say, and remembers them; safe to share between threads."""

    def __init__(
        self,
        identity: Identity,
        answers: Answers | Shape | None,
        on_request: Callable[[Received], None] | None,
    ) -> None:
        self._identity = identity
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
        request = request.without_secrets(self._identity.auth_value, self._identity.tenant_id)
        answer = refused or self._answer(request)
        received = self._record(request, answer)
        if self._on_request:
            self._on_request(received)
        return answer, received.trace_id

    def _answer(self, request: Request) -> Answer:
        try:
            return self._checked(request)
        except RefusedError as error:
            return error.answer

    def _checked(self, request: Request) -> Answer:
        path, _, query = request.target.partition("?")
        check_route(request.method, path)
        if path == LOGIN_PATH:
            return LOGIN
        if path == TRIGGER_PATH:
            return self._trigger(request)
        check_identity(request.headers, self._identity)
        check_paging(query)
        return SHAPES[self._answers] if isinstance(self._answers, Shape) else METRICS

    def _trigger(self, request: Request) -> Answer:
        with self._lock:
            number = next(self._triggers)
        check_identity(request.headers, self._identity)
        check_trigger(request.headers, request.body, self._identity.tenant_id)
        shape = self._answers(number) if callable(self._answers) else self._answers
        return SHAPES[shape] if shape else ACCEPTED

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


def new_trace_id() -> str:
    """Make a trace id of the look AnyMetrics gives: 32 hex digits, a thread number, a time with a serial."""
    return f"{uuid.uuid4().hex}.{threading.get_ident() % 1000}.{time_ns() // 100_000}"
