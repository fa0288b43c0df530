"""The options that environment variables set, read as the command line reads them."""

from __future__ import annotations

from typing import Any

import click

from dbt_anymetrics.cli import refresh
from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.options import Options


def options_from_environment(**given: Any) -> Options:  # noqa: ANN401
    """The options of `refresh` without a command line: those given, the environment's, the defaults.

    Raises UsageError for an environment variable that cannot be read.
    """
    try:
        found = refresh.make_context("refresh", []).params
    except click.UsageError as error:
        raise UsageError(error.format_message()) from None
    return Options.of(found, given)
