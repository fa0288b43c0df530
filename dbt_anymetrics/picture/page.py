"""The page: one HTML file that holds everything it needs and asks for nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from dbt_anymetrics.picture.data import encode
from dbt_anymetrics.picture.picture import Picture

_SCRIPTS = (
    *("markup", "words", "data", "filter", "tiles", "causes", "attempts", "runs"),
    *("grid", "rows", "keys", "tip", "history", "reader", "live", "page"),
)
"""Together they are one script, in this order."""


@dataclass(frozen=True)
class Live:
    """Where the page asks for newer data, and what it says when there is no answer any more.

    The address gets the parameter `seen`, with the version of the data that the page has; it answers 204 when there
    is nothing newer, else with the JSON of `encode` and its version in the header ETag.
    """

    address: str
    version: str
    lost: str


@dataclass(frozen=True)
class Page:
    """The texts around the picture."""

    title: str
    place: str = ""
    """What the picture is of, for example an address and a tenant."""
    everything: str = ""
    """Where to find what the page has no room for: an address on the same server, or a command."""
    steps: Sequence[tuple[str, str]] = ()
    """What to do while there is nothing to show: each a sentence, and lines to copy."""
    live: Live | None = None
    notes: Sequence[str] = ()
    """What the reader has to know of the whole, each a sentence."""


def render(picture: Picture, page: Page) -> str:
    """Give the page as HTML; a lone surrogate in a name stays one, and the encoder has to escape it."""
    style, script = _file("page.css"), "\n".join(_file(f"scripts/{name}.js") for name in _SCRIPTS)
    return _template().render(
        page=page,
        picture=picture,
        data=encode(picture),
        style=style,
        script=script,
        policy=_policy(style, script, is_live=page.live is not None),
    )


def _policy(style: str, script: str, *, is_live: bool) -> str:
    """Forbid the browser everything but our own style and script, and what the page asks its own server."""
    allowed = {
        "default-src": "'none'",
        "style-src": f"'sha256-{_hash(style)}'",
        "script-src": f"'sha256-{_hash(script)}'",
        "img-src": "data:",
        "connect-src": "'self'" if is_live else "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html"))


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
