"""Write docs/commands.md from the commands' own help: `make docs`."""

from __future__ import annotations

from pathlib import Path

import click

from dbt_anymetrics.cli import main

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 80

_HEAD = """# Commands

This page is the text of `--help`, written by `make docs`.

Every option that names an environment variable can be set by it; the option wins. A few settings have no option:

| environment variable | default | meaning |
|---|---|---|
| `ANYMETRICS_AUTH_VALUE` | | The credential. It is never an option: everybody can see a command line. |
| `DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE` | | The same, by a name that dbt hides in its own logs. |
| `ANYMETRICS_APP_ID`, `ANYMETRICS_APP_SECRET` | | An application in the place of a credential: it gives a token. |
| `ANYMETRICS_ENABLED` | `true` | `false` switches every refresh off. |
| `ANYMETRICS_DBT` | beside this Python, then in `PATH` | The dbt that `dbt-anymetrics dbt` runs. |

Exit codes: **0** everything is done, or there is nothing to do. **1** a refresh failed. **2** the usage, a setting or
an artifact is wrong, and nothing was sent. **130** the command was stopped by Ctrl-C.
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
