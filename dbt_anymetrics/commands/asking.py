"""A question before what cannot be taken back."""

from __future__ import annotations

import sys

import click

from dbt_anymetrics.errors import UsageError
from dbt_anymetrics.options import Options


def agreed(options: Options, question: str, nobody: UsageError) -> bool:
    """Whether the user says yes, or `--yes` did. Raises `nobody` where there is nobody to ask."""
    if options.yes:
        return True
    if not sys.stdin or not sys.stdin.isatty():
        raise nobody
    return click.confirm(question, err=True)
