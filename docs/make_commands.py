"""Write docs/commands.md from the commands' own help: `make docs`."""

from __future__ import annotations

from pathlib import Path

import click

from dbt_anymetrics.cli import main

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 100

_HEAD = """# Commands

The text of `--help`, written by `make docs`.
"""


def page() -> str:
    """The page as it should be."""
    parent = click.Context(main, info_name="dbt-anymetrics", terminal_width=WIDTH, **main.context_settings)
    sections = [_section("dbt-anymetrics", main.get_help(parent))]
    for name, command in sorted(main.commands.items()):
        context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, **main.context_settings)
        sections.append(_section(f"dbt-anymetrics {name}", command.get_help(context)))
    return "\n".join([_HEAD, *sections])


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```\n{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
