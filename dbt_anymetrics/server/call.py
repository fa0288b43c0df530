"""What one call of the API is, and what comes of a read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.confirmation import is_there

T = TypeVar("T")


class Call(Struct, frozen=True, kw_only=True):
    """One call: what is asked, which answer is a success, and what is said when no answer comes.

    `form` is the type of the whole body; without one, only its `data` are looked at. `confirms` says whether the body
    (or else the data) is a success. `effect` is what the call brings about, to be named when its outcome is not known.
    `seconds` and `largest` allow more time and more bytes than an answer usually takes.
    """

    method: str
    path: str
    body: Any = None
    form: Any = None
    confirms: Callable[[Any], bool] = is_there
    effect: str | None = None
    seconds: float = 0
    largest: int = 1 << 20
    is_anonymous: bool = False


class Asker(Protocol):
    """What makes calls: a client, with whichever credential."""

    def ask(self, call: Call) -> Answer:
        """Make any call but a trigger."""


class Reading(Struct, Generic[T], frozen=True):
    """What a read brought: `value` is None exactly when the answer is no success."""

    answer: Answer
    value: T | None = None

    @classmethod
    def of(cls, answer: Answer, read: Callable[[Any], T]) -> Reading[T]:
        """Take the value out of a decoded answer."""
        # What was decoded may be large, and may hold a secret: it goes no further than its value.
        bare = replace(answer, data=None)
        return Reading(bare, read(answer.data)) if answer.ok else Reading(bare)
