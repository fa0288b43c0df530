"""A token made of an application's id and secret: one a command, renewed once, its secret shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbt_anymetrics.sandbox import Sandbox
from dbt_anymetrics.sandbox.tokens import APP_ID, APP_SECRET
from tests.artifacts import scenario
from tests.ledgers import pending
from tests.raw_server import SUCCESS, RawServer, Visit, http
from tests.shop import Shop

APP = {"ANYMETRICS_APP_ID": APP_ID, "ANYMETRICS_APP_SECRET": APP_SECRET}
NONE = {"ANYMETRICS_AUTH_VALUE": "", "ANYMETRICS_AUTH_TYPE": ""}


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    scenario("1.11", "build", tmp_path / "target")
    return Shop(tmp_path, {**sandbox.environment, **NONE, **APP})


def everything(shop: Shop, *outputs: str) -> str:
    files = (path.read_bytes().decode(errors="replace") for path in shop.folder.rglob("*") if path.is_file())
    return "\n".join([*outputs, *files])


def test_a_token_is_made_and_used_without_being_shown(shop: Shop, sandbox: Sandbox) -> None:
    done = shop.cli("refresh", "--threads", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    calls = [received.path.rpartition("/")[2] for received in sandbox.received]
    assert (calls.count("create"), calls.count("trigger")) == (1, 29)
    assert APP_SECRET not in everything(shop, done.stdout, done.stderr)


def test_debug_shows_that_there_is_an_application_and_tries_it(shop: Shop) -> None:
    done = shop.cli("debug")
    assert "call         OK" in done.stdout
    assert "app-secret   **********" in done.stdout
    assert APP_SECRET not in done.stdout
    assert APP_ID not in done.stdout


class Tokens:
    """A server that gives out tokens, and takes each for so many calls."""

    def __init__(self, calls: int, refused: bytes | None = None) -> None:
        self.given = 0
        self._left = 0
        self._calls = calls
        self._refused = refused

    def __call__(self, visit: Visit) -> None:
        for request in visit.requests():
            visit.socket.sendall(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        if b"/token/create" in request:
            self.given += 1
            self._left = self._calls
            return self._refused or http(json.dumps({"data": [f"token-number-{self.given}"], "success": True}).encode())
        self._left -= 1
        known = f"auth-value: token-number-{self.given}".encode() in request and b"auth-type: TOKEN" in request
        return http(SUCCESS) if known and self._left >= 0 else http(b"{}", "401 Unauthorized")


@pytest.mark.parametrize("threads", ["1", "4"])
def test_one_token_is_made_for_a_command(threads: str, shop: Shop) -> None:
    tokens = Tokens(calls=1000)
    with RawServer(tokens) as server:
        assert shop.cli("refresh", "--threads", threads, ANYMETRICS_URL=server.url).returncode == 0
    assert tokens.given == 1


def test_a_token_is_renewed_once_when_a_call_answers_401(shop: Shop) -> None:
    tokens = Tokens(calls=20)
    with RawServer(tokens) as server:
        assert shop.cli("refresh", "--threads", "1", ANYMETRICS_URL=server.url).returncode == 0
    assert tokens.given == 2


def test_a_token_is_not_renewed_again_and_again(shop: Shop) -> None:
    tokens = Tokens(calls=5)
    with RawServer(tokens) as server:
        assert shop.cli("refresh", "--threads", "1", ANYMETRICS_URL=server.url).returncode == 1
    assert tokens.given == 2
    assert len(pending(shop.target)) == 19


REFUSALS = {
    "refused": http(json.dumps({"success": False, "errorMsg": f"bad secret {APP_SECRET}"}).encode()),
    "no token": http(json.dumps({"success": True, "data": []}).encode()),
    "a page": http(b"<html>login</html>"),
    "nothing there": http(b"", "404 Not Found"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_without_a_token_nothing_is_sent_and_everything_stays_pending(name: str, shop: Shop) -> None:
    tokens = Tokens(calls=0, refused=REFUSALS[name])
    with RawServer(tokens) as server:
        done = shop.cli("refresh", "--threads", "2", ANYMETRICS_URL=server.url)
        assert not [request for request in server.requests if b"/task/trigger" in request]
    assert done.returncode == 1
    assert "no token for ANYMETRICS_APP_ID: " in done.stdout
    assert tokens.given == 1
    assert len(pending(shop.target)) == 29
    assert APP_SECRET not in everything(shop, done.stdout, done.stderr)


WRONG = {
    "no secret": ({"ANYMETRICS_APP_SECRET": ""}, "ANYMETRICS_APP_SECRET: is not set"),
    "no id": ({"ANYMETRICS_APP_ID": ""}, "ANYMETRICS_APP_ID: is not set"),
    "another type": ({"ANYMETRICS_AUTH_TYPE": "UID"}, "'UID' is not TOKEN"),
    "no text": ({"ANYMETRICS_APP_SECRET": "geheim\u00e4"}, "has a character that an HTTP header cannot hold"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_an_application_is_said(name: str, shop: Shop, sandbox: Sandbox) -> None:
    change, said = WRONG[name]
    done = shop.cli("refresh", **change)
    assert done.returncode == 2
    assert said in done.stderr
    assert sandbox.received == []


def test_a_credential_that_is_set_wins(shop: Shop, sandbox: Sandbox) -> None:
    own = {**sandbox.environment, "ANYMETRICS_APP_SECRET": "wrong"}
    assert shop.cli("refresh", **own).returncode == 0
