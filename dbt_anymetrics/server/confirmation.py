"""When the data of an answer says that AnyMetrics took the order to refresh, and when it says something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

_UUID = r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"
_TASK = re.compile(
    rf"{_UUID}|(?:dag|flow|instance|job|run|task)(?=[\d_.:-])(?=\D*\d)[\w.:-]*", re.IGNORECASE | re.ASCII
)

_TASK_KEYS = (
    "dagId", "dagName", "dagRunId", "flowId", "id", "instanceId", "jobId", "runId", "taskId", "taskInstanceId",
    "taskName", "uuid",
)  # fmt: skip

ERROR_KEYS = (
    "errorMsg", "detailErrorMsg", "message", "msg", "errMsg", "errorMessage", "error_message", "error_msg", "error",
    "errors", "errorCode", "exception", "detail", "details", "reason",
)  # fmt: skip
"""The usual names of an error text: AnyMetrics' own first. Their letter case is no matter."""

_ERRORS = {name.replace("_", "").lower() for name in ERROR_KEYS}

_STATES = frozenset({"status", "state"})

_BAD = re.compile(
    r"fail|error|reject|denied|deny|invalid|unauth|forbid|refus|not.?found|false|null|none", re.IGNORECASE
)
"""A word that names no task, and no good state."""

_REFUSED = 400
"""The least number that is a bad state, as those of HTTP are."""

_GOOD_WORDS = frozenset({"success", "succeeded", "successful", "ok", "accepted"})


def is_confirmation(data: object) -> bool:
    """Whether the data of an answer confirms that a refresh was triggered.

    It does as `true`, as the pages of the API print it (also as text), and where it names a task: an identifier that
    begins with dag, task, job, run, flow or instance and has a digit, a UUID, or an object with one of the usual keys
    for these, such as the `dagName` of newer servers. What has a word such as *failed* in it does not. Nothing else
    does.
    """
    if isinstance(data, str):
        return data.lower() == "true" or bool(_TASK.fullmatch(data) and not _BAD.search(data))
    if isinstance(data, dict):
        return any(is_name(data.get(key)) for key in _TASK_KEYS) and not tells_error(data)
    return data is True


def is_there(data: object) -> bool:
    """Whether an answer to a question holds anything."""
    return data is not None and data is not False


def tells_error(answer: dict[str, object]) -> bool:
    """Whether an object says under one of the usual names that something went wrong."""
    verdicts = (answer.get(key, True) for key in ("success", "succeed"))
    return (
        any(verdict is not True for verdict in verdicts)
        or not is_good_code(answer.get("code"))
        or any(errors_in(answer))
    )


def errors_in(answer: dict[str, object]) -> Iterator[object]:
    """What an object says that went wrong, under the usual names and as its status; AnyMetrics' own come first."""
    for name in (*(key for key in ERROR_KEYS if key in answer), *(key for key in answer if key not in ERROR_KEYS)):
        value, plain = answer[name], name.replace("_", "").lower()
        if plain in _ERRORS and says_error(value):
            yield value
        elif plain in _STATES and _is_bad_state(value):
            yield f"{name} is {value}"


def is_good_code(code: object) -> bool:
    """Whether a code says nothing, or 200."""
    return code is None or code == "200" or (type(code) is int and code == _GOOD_CODE)


_GOOD_CODE = 200


def _is_bad_state(value: object) -> bool:
    if isinstance(value, str):
        return bool(_BAD.search(value))
    return value is False or (isinstance(value, int) and value >= _REFUSED)


def says_error(text: object) -> bool:
    """Whether what stands under the name of an error text says anything; some services write `success` there."""
    if isinstance(text, str):
        return bool(text.strip()) and text.strip().lower() not in _GOOD_WORDS
    return bool(text)


def is_name(value: object) -> bool:
    """Whether a value of an answer can be the name or the number of a task."""
    if isinstance(value, str):
        return bool(value.strip()) and not _BAD.search(value)
    return isinstance(value, int) and value > 0 and value is not True
