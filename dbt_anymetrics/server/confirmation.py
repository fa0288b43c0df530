"""When the data of an answer says that AnyMetrics took the order to refresh, and when it says something else."""

from __future__ import annotations

import re

_UUID = r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}"
_TASK = re.compile(rf"{_UUID}|(?=\D*\d)(?:dag|flow|instance|job|run|task)[\w.:-]*", re.IGNORECASE | re.ASCII)

_TASK_KEYS = (
    "dagId", "dagName", "dagRunId", "flowId", "id", "instanceId", "jobId", "runId", "taskId", "taskInstanceId",
    "taskName", "uuid",
)  # fmt: skip

ERROR_KEYS = (
    "errorMsg", "detailErrorMsg", "message", "msg", "errMsg", "errorMessage", "error_message", "error_msg", "error",
    "errors", "exception", "detail", "details",
)  # fmt: skip
"""The usual names of an error text: AnyMetrics' own first."""

_GOOD_WORDS = frozenset({"success", "succeeded", "successful", "ok", "accepted"})


def is_confirmation(data: object) -> bool:
    """Whether the data of an answer confirms that a refresh was triggered.

    It does as `true`, as the pages of the API print it (also as text), and where it names a task: an identifier that
    begins with dag, task, job, run, flow or instance and has a digit, a UUID, or an object with one of the usual keys
    for these, such as the `dagName` of newer servers. Nothing else does.
    """
    if isinstance(data, str):
        return data.lower() == "true" or bool(_TASK.fullmatch(data))
    if isinstance(data, dict):
        return any(is_name(data.get(key)) for key in _TASK_KEYS) and not tells_error(data)
    return data is True


def is_there(data: object) -> bool:
    """Whether an answer to a question holds anything."""
    return data is not None and data is not False


def tells_error(answer: dict[str, object]) -> bool:
    """Whether an object says under one of the usual names that something went wrong."""
    verdicts = (answer.get(key, True) for key in ("success", "succeed"))
    return any(verdict is not True for verdict in verdicts) or any(says_error(answer.get(key)) for key in ERROR_KEYS)


def says_error(text: object) -> bool:
    """Whether what stands under the name of an error text says anything; some services write `success` there."""
    if isinstance(text, str):
        return bool(text.strip()) and text.strip().lower() not in _GOOD_WORDS
    return bool(text)


def is_name(value: object) -> bool:
    """Whether a value may name something, and is no word for a failure."""
    if isinstance(value, str):
        return bool(value.strip()) and value.strip().lower() not in {"failed", "false", "null", "none", "error"}
    return isinstance(value, int) and value > 0 and value is not True
