"""The credential reaches the header of a request to the configured host, and nothing else."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbt_anymetrics.sandbox import Sandbox, Shape
from dbt_anymetrics.server.answer import Answer, judge
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import connection
from dbt_anymetrics.server.secret import Secret
from tests.artifacts import scenario
from tests.ledgers import rows
from tests.raw_server import RawServer, Visit, http
from tests.shop import DS, Shop

SECRET = "c0rrect-h0rse-battery-staple"

ODD_SECRETS = {"short": "q7Zx", "quoted": 'a"quote\\and  two/spaces', "long": "t0ken." * 400}

IDENTITY = {"ANYMETRICS_TENANT_ID": "tn_1", "ANYMETRICS_AUTH_TYPE": "TOKEN", "ANYMETRICS_AUTH_VALUE": SECRET}

DAY = date(2024, 7, 17)


def shop_at(url: str, folder: Path, secret: str = SECRET) -> Shop:
    scenario("1.11", "build", folder / "target")
    return Shop(folder, {**IDENTITY, "ANYMETRICS_AUTH_VALUE": secret, "ANYMETRICS_URL": url})


def everything_of(done: subprocess.CompletedProcess[str], folder: Path) -> str:
    """What a command printed, and what stands in every file of its project."""
    files = (path.read_bytes().decode(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())
    return "\n".join([done.stdout, done.stderr, *files])


def client(url: str, secret: str = SECRET, **environment: str) -> Client:
    settings = connection(
        url=url, tenant_id="tn_1", auth_type="TOKEN", timeout=5.0, environment={"ANYMETRICS_AUTH_VALUE": secret}
    )
    return Client(settings, environment)


def told(answer: Answer) -> str:
    """Everything of an answer that can come to be shown or recorded."""
    return repr((answer.code, answer.message, answer.trace_id))


# What the server says back


def echo(part: Callable[[str], bytes], secret: str = SECRET) -> RawServer:
    """A server that puts the secret into its answers, as a gateway in a debug mode may."""
    return RawServer(lambda visit: visit.answer(part(secret)))


def _json(**fields: object) -> bytes:
    return json.dumps({"data": None, "success": False, "code": "SM99002", **fields}).encode()


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


ECHOES: dict[str, Callable[[str], bytes]] = {
    "error text": lambda s: http(_json(errorMsg=f"bad value {s}")),
    "detail": lambda s: http(_json(detailErrorMsg=s)),
    "message": lambda s: http(_json(message=s), "500 Error"),
    "code": lambda s: http(_json(code=s)),
    "trace": lambda s: http(_json(traceId=s)),
    "object": lambda s: http(_json(errorMsg={"headers": {"auth-value": s}})),
    "escaped": lambda s: http(_json(errorMsg="@").replace(b"@", _escaped(s).encode())),
    "at the cut": lambda s: http(_json(errorMsg="x" * 490 + s)),
    "escaped at the cut": lambda s: http(_json(errorMsg="x" * 490 + "@").replace(b"@", _escaped(s).encode())),
    "page": lambda s: http(f"<html>{s}</html>".encode(), Content_Type="text/html"),
    "location": lambda s: http(b"", "302 Found", Location=f"/login/{s}"),
    "location at the cut": lambda s: http(b"", "302 Found", Location="/" + "x" * 440 + s),
    "location that is no address": lambda s: http(b"", "302 Found", Location=f"http://[{s}"),
    "reason": lambda s: http(_json(), f"500 {s}"),
    "retry-after": lambda s: http(_json(), "429 Slow", Retry_After=s),
    "no HTTP": lambda s: s.encode() + b"\r\n\r\n",
    "status": lambda s: f"HTTP/1.1 {s}\r\n\r\n".encode(),
    "chunk": lambda s: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{s}\r\n".encode(),
    "header": lambda s: f"HTTP/1.1 200 OK\r\n{s}\r\nContent-Length: 1\r\n\r\n{{".encode(),
    "length": lambda s: http(_json(), Content_Length=s),
    "encoding": lambda s: http(s.encode(), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_secret_that_the_server_sends_back_is_struck_out(name: str) -> None:
    with echo(ECHOES[name]) as server:
        answer = client(server.url).trigger("t", DAY)
        assert server.requests
    assert not answer.ok
    # Half of it is as bad: what is cut is struck out first.
    assert SECRET[:8] not in told(answer)


@pytest.mark.parametrize("kind", ODD_SECRETS)
@pytest.mark.parametrize("name", ["error text", "code", "trace", "location", "no HTTP", "object"])
def test_a_secret_of_any_form_that_the_server_sends_back_is_struck_out(name: str, kind: str) -> None:
    secret = ODD_SECRETS[kind]
    with echo(ECHOES[name], secret) as server:
        shown = told(client(server.url, secret).trigger("t", DAY))
        assert server.requests
    for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], " ".join(secret.split()), secret[:30]):
        assert form not in shown


FORMS: dict[str, Callable[[str], str]] = {
    "newlines": lambda s: s.replace("-", "-\n"),
    "tabs": "\t".join,
    "NUL": "\0".join,
    "two spaces": lambda s: s.replace("-", "  -  "),
    "upper case": str.upper,
    "URL-encoded": lambda s: "".join(f"%{ord(c):02x}" for c in s),
    "URL-encoded twice": lambda s: "".join(f"%25{ord(c):02X}" for c in s),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 inside": lambda s: base64.b64encode(f"user:{s}\n".encode()).decode(),
    "base64 for addresses": lambda s: base64.urlsafe_b64encode(f"a:{s}".encode()).decode().rstrip("="),
    "base64 in lines": lambda s: base64.encodebytes(("x" * 50 + s + "y" * 50).encode()).decode(),
    "hexadecimal": lambda s: s.encode().hex(" "),
    "HTML entities": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "HTML entities in hexadecimal": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
    "Python escapes": lambda s: "".join(f"\\x{ord(c):02x}" for c in s),
    "JSON escapes": lambda s: "".join(f"\\u{ord(c):04x}" for c in s),
    "JSON escapes in JSON": lambda s: "".join(f"\\\\u{ord(c):04X}" for c in s),
    "escaped marks": lambda s: s.replace("-", "\\-"),
    "a letter a word": " ".join,
}


@pytest.mark.parametrize("field", ["errorMsg", "code", "traceId", "data"])
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_that_comes_back_in_another_form_is_struck_out(form: str, field: str) -> None:
    written = FORMS[form](SECRET)
    body = json.dumps({"success": field == "data", field: f"bad {written} here"}).encode()
    answer = judge(200, body, redact=Secret(SECRET).redact)
    shown = {"errorMsg": answer.message, "code": answer.code, "traceId": answer.trace_id, "data": answer.message}[field]
    assert shown
    assert "**********" in shown
    bare = re.sub(r"[^a-z0-9]", "", shown.lower())
    assert re.sub(r"[^a-z0-9]", "", written.lower()) not in bare
    assert "here" in shown


def _quoted(secret: str, times: int) -> str:
    for _ in range(times):
        secret = quote(secret, safe="")
    return secret


TWICE: dict[str, tuple[str, Callable[[str], str]]] = {
    "URL twice": ("S3cret-Cred/val+9xyz", lambda s: _quoted(s, 2)),
    "URL three times": ("S3cret-Cred/val+9xyz", lambda s: _quoted(s, 3)),
    "HTML twice": ("abcdef&ghijkl1<2", lambda s: html.escape(html.escape(s))),
    "HTML, then URL": ("abcdef&ghijkl1<2", lambda s: quote(html.escape(s), safe="")),
    "JSON, then URL": ("abcdef&ghijkl1<2", lambda s: quote(s.replace("&", "\\u0026").replace("<", "\\u003c"), safe="")),
    "a percent sign": ("pass%word/12345", lambda s: _quoted(s, 2)),
    "numbers in HTML, then HTML": (SECRET, lambda s: "".join(f"&amp;#{ord(c)};" for c in s)),
    "percent of percent of percent": (SECRET, lambda s: "".join(f"%2525{ord(c):02X}" for c in s)),
    "padded numbers in HTML": (SECRET, lambda s: "".join(f"&#{ord(c):010d};" for c in s)),
    "numbers in HTML without their end": (SECRET, lambda s: "".join(f"&#{ord(c)}" for c in s)),
    "long escapes of Python": (SECRET, lambda s: "".join(f"\\U{ord(c):08x}" for c in s)),
    "octal escapes of Python": (SECRET, lambda s: "".join(f"\\{ord(c):03o}" for c in s)),
}


@pytest.mark.parametrize("name", TWICE)
def test_escapes_within_escapes_are_undone(name: str) -> None:
    secret, write = TWICE[name]
    body = json.dumps({"success": False, "errorMsg": f"bad {write(secret)} here"}).encode()
    message = judge(200, body, redact=Secret(secret).redact).message or ""
    assert "**********" in message
    assert message.startswith("bad ")
    assert message.endswith(" here")
    assert not [run for run in re.findall(r"[A-Za-z]{5,}", message) if run in secret]


def test_a_secret_that_is_split_over_two_fields_is_not_joined_again() -> None:
    body = json.dumps({"success": False, "errorMsg": SECRET[:14], "detailErrorMsg": SECRET[14:]}).encode()
    assert judge(200, body, redact=Secret(SECRET).redact).message == "**********"


def test_a_secret_far_behind_in_a_long_text_is_not_cut_in_two() -> None:
    for before in range(16_350, 16_390):
        body = json.dumps({"success": False, "errorMsg": " " * before + SECRET}).encode()
        message = judge(200, body, redact=Secret(SECRET).redact).message or ""
        assert SECRET[:8] not in message


@pytest.mark.parametrize("credential", ["/+/+/+/+", "a b", "pässword", "::", "{}", "...."])
def test_a_credential_of_few_letters_is_struck_out_as_it_is(credential: str) -> None:
    assert credential not in Secret(credential).redact(f"bad value '{credential}' here")


def test_a_long_text_takes_no_time_to_search() -> None:
    secret = Secret("%41&amp;" * 30)
    assert secret.redact("%41&amp;" * 2_000).count("*") < 20_000


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.text(alphabet="ab\"'\\\\/ {n&%", min_size=6, max_size=12),
    st.text(alphabet="xy \"'", max_size=6) | st.integers(480, 510).map(lambda n: "x" * n),
    st.sampled_from(["errorMsg", "detailErrorMsg", "message", "code", "traceId"]),
)
def test_any_secret_at_any_place_of_an_answer_is_struck_out(value: str, before: str, field: str) -> None:
    value = f"s{value}t"
    if len(value) < 8:  # a short one may be a part of a word: it is struck out where it stands alone
        before += " "
    body = json.dumps({"success": False, field: before + value}).encode()
    shown = told(judge(200, body, redact=Secret(value).redact))
    for form in {value, repr(value)[1:-1], json.dumps(value)[1:-1], " ".join(value.split())}:
        assert form not in shown


# Passwords of others


PROXIES = {
    "http": "http://proxy-user:proxy-passw0rd@127.0.0.1:9",
    "no host": "http://proxy-user:proxy-passw0rd@",
    "no scheme": "proxy-user:proxy-passw0rd@127.0.0.1:9",
    "SOCKS without its library": "socks5://proxy-user:proxy-passw0rd@127.0.0.1:9",
    "a port that is none": "http://proxy-user:proxy-passw0rd@127.0.0.1:port",
    "brackets": "http://proxy-user:proxy-passw0rd@[::1",
    "a slash in the password": "http://proxy-user:proxy-passw0rd/m1ddle-passw0rd@127.0.0.1:9",
    "spaces in the password": "http://proxy-user:proxy m1ddle-passw0rd here@127.0.0.1:99999",
    "another scheme": "gopher://proxy-user:proxy-passw0rd@127.0.0.1:9",
}


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_password_of_a_proxy_is_never_shown(
    proxy: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("NO_PROXY", "")
    shop = shop_at(f"{scheme}://anymetrics.invalid", tmp_path)
    everything = ""
    # A refresh tries several times, which takes long; `debug` makes the same call once.
    commands = (("refresh", "-m", "dim_customers"), ("status",)) if proxy is PROXIES["http"] else ()
    for arguments in (("debug",), *commands):
        done = shop.cli(*arguments)
        assert done.returncode in (0, 1, 2)
        everything += everything_of(done, tmp_path)
    assert "Traceback" not in everything
    assert "please report it" not in everything
    assert "passw0rd" not in everything
    assert "m1ddle" not in everything
    assert "fails" in everything or "cannot be used" in everything


ADDRESSES = (
    "https://user:passw0rd@anymetrics.invalid",
    "https://passw0rd@anymetrics.invalid",
    "https://anymetrics.invalid/?token=passw0rd",
    "https://anymetrics.invalid/#passw0rd",
    "user:passw0rd@anymetrics.invalid",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("command", ["refresh", "retry", "plan", "status", "debug"])
def test_an_address_with_a_password_is_refused_by_every_command_and_not_shown(
    command: str, address: str, tmp_path: Path
) -> None:
    with Sandbox() as sandbox:
        shop_at(sandbox.url, tmp_path).cli("refresh")
    shop = shop_at(address, tmp_path)
    done = shop.cli(command)
    assert done.returncode == 2
    assert "is not shown" in done.stdout + done.stderr
    assert "passw0rd" not in everything_of(done, tmp_path)


STATES = (
    "postgresql+psycopg2://u:passw0rd@127.0.0.1:9/airflow",
    "mysql://u:passw0rd@127.0.0.1/airflow",
    "sqlite:////tmp/passw0rd.db",
)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", ["refresh", "retry", "plan", "status", "debug", "doctor"])
def test_a_state_that_is_another_address_is_refused_and_not_shown(command: str, state: str, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        shop = shop_at(sandbox.url, tmp_path)
        done = shop.cli(command, ANYMETRICS_STATE=state)
        assert [received for received in sandbox.received if received.path.endswith("/trigger")] == []
    assert done.returncode == 2 or command == "doctor"
    assert "passw0rd" not in everything_of(done, tmp_path)
    assert not (tmp_path / state.partition("/")[0]).exists()


# What the commands print and write


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("refresh",), "error text"),
        (("refresh", "--log-format", "json"), "location"),
        (("refresh", "--output", "json"), "trace"),
        (("refresh", "--quiet"), "object"),
        (("refresh",), "no HTTP"),
        (("plan",), "error text"),
        (("debug",), "no HTTP"),
    ],
)
def test_no_command_prints_or_writes_the_secret(arguments: tuple[str, ...], name: str, tmp_path: Path) -> None:
    with echo(ECHOES[name]) as server:
        shop = shop_at(server.url, tmp_path)
        everything = everything_of(shop.cli(*arguments, "-m", "dim_customers"), tmp_path)
        assert bool(server.requests) is (arguments[0] != "plan")
    assert "Traceback" not in everything
    assert SECRET not in everything


def test_a_retry_prints_and_writes_no_secret(tmp_path: Path) -> None:
    with echo(ECHOES["error text"]) as server:
        shop = shop_at(server.url, tmp_path)
        shop.cli("refresh", "-m", "dim_customers")
        done = shop.cli("retry")
        assert len(server.requests) == 2
    assert done.returncode == 1
    assert SECRET not in everything_of(done, tmp_path)


def test_the_ledger_of_a_killed_command_and_its_arguments_hold_no_secret(tmp_path: Path) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hold(number: int) -> Shape | None:
        if number == 9:
            arrived.set()
            go_on.wait(60)
        return Shape.NO_PERMISSION if number % 2 else None

    with Sandbox(answers=hold, auth_value=SECRET) as sandbox:
        shop = shop_at(sandbox.url, tmp_path)
        shop.environment.update(sandbox.environment)
        command = [sys.executable, "-m", "dbt_anymetrics", "refresh", "--threads", "1"]
        with subprocess.Popen(
            command, cwd=tmp_path, env=shop.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert arrived.wait(60)
            shown = Path(f"/proc/{process.pid}/cmdline").read_text()
            process.kill()
            stdout, stderr = process.communicate(timeout=60)
        go_on.set()
    assert "refresh" in shown
    # The last answers before the kill may not have been written yet.
    assert len(rows(shop.target, "SELECT * FROM outcome")) in (7, 8, 9)
    killed = subprocess.CompletedProcess(command, 0, stdout + shown, stderr)
    assert SECRET not in everything_of(killed, tmp_path)


def test_the_secret_is_no_option(tmp_path: Path) -> None:
    done = shop_at("http://127.0.0.1:9", tmp_path).cli("refresh", "--auth-value", "credential-on-a-command-line")
    assert done.returncode == 2
    assert "read from the environment only" in done.stderr
    assert "credential-on-a-command-line" not in done.stderr + done.stdout
    helped = subprocess.run(
        [sys.executable, "-m", "dbt_anymetrics", "refresh", "--help"], capture_output=True, text=True, check=True
    )
    assert not re.search(r"--(auth-value|insecure|no-verify|verify)", helped.stdout)


@pytest.mark.parametrize("name", ["ANYMETRICS_AUTH_VALUE", "DBT_ENV_SECRET_ANYMETRICS_AUTH_VALUE", "DBT_ENV_SECRET_X"])
@pytest.mark.parametrize("asked", ["{{{{ env_var('{}') }}}}", "{{{{ env_var(('{}'|lower).upper()) }}}}"])
def test_no_template_reads_a_secret(name: str, asked: str, tmp_path: Path) -> None:
    shop = shop_at("http://127.0.0.1:9", tmp_path)
    done = shop.cli("plan", "--partition", asked.format(name), **{name: SECRET})
    assert done.returncode == 2
    assert "is a secret" in done.stderr
    assert SECRET not in everything_of(done, tmp_path)


LOGGED = """
import logging, sys
logging.basicConfig(level=1, stream=sys.stdout)
import dbt_anymetrics
outcome = dbt_anymetrics.refresh(models=["dim_customers"])
print(outcome, outcome.document, repr(outcome.document.args))
"""


def test_no_log_level_of_any_library_shows_the_secret(tmp_path: Path) -> None:
    with echo(ECHOES["error text"]) as server:
        shop = shop_at(server.url, tmp_path)
        done = shop.run([sys.executable, "-X", "dev", "-c", LOGGED], {})
    assert "urllib3" in done.stdout, done.stderr
    assert SECRET not in everything_of(done, tmp_path)


def test_nothing_that_a_debugger_shows_of_a_client_is_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with echo(ECHOES["error text"]) as server:
        calling = client(server.url)
        answer = calling.trigger("t", DAY)
    shown = [repr(calling), repr(answer), str(vars(calling)), caplog.text]
    assert not any(SECRET in text for text in shown)


def test_dbts_own_output_and_log_hold_no_secret_with_the_hook(built: Shop, tmp_path: Path) -> None:
    with echo(ECHOES["error text"]) as server:
        shop = built.copy(tmp_path / "shop", {**IDENTITY, "ANYMETRICS_URL": server.url})
        project = shop.folder / "dbt_project.yml"
        project.write_text(project.read_text() + "\non-run-end: '{{ anymetrics.refresh() }}'\n")
        done = shop.dbt("--debug", "--log-level-file", "debug", "run", "--select", "dim_customers", *DS)
        assert server.requests
    assert "bad value **********" in done.stdout
    assert (shop.folder / "logs" / "dbt.log").is_file()
    assert SECRET not in everything_of(done, shop.folder)


def test_the_page_of_the_sandbox_shows_neither_its_own_secret_nor_one_sent_to_it(tmp_path: Path) -> None:
    with Sandbox(auth_value=SECRET) as sandbox:
        for secret in (SECRET, "an0ther-w0rking-credential"):
            client(sandbox.url, secret).trigger(f"t {secret}", DAY)
        pages = "".join(urlopen(f"{sandbox.url}{path}").read().decode() for path in ("/", "/received"))
        assert len(sandbox.received) == 2
        shown = pages + repr(sandbox.received)
    assert SECRET not in shown
    assert "an0ther-w0rking-credential" not in shown


# Where it travels


@pytest.fixture
def elsewhere() -> Iterator[RawServer]:
    """A host that nothing may be sent to."""
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        yield server


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_redirect_is_followed(status: str, host: str, elsewhere: RawServer) -> None:
    where = f"http://{host}:{elsewhere.port}/login"
    with RawServer(lambda visit: visit.answer_all(http(b"", status, Location=where))) as server:
        answer = client(server.url).trigger("t", DAY)
        assert len(server.requests) == 1
    assert f"redirected to {where}" in (answer.message or "")
    assert elsewhere.connections == 0


@pytest.mark.parametrize("header", ["Location", "Refresh", "Alt-Svc", "Proxy-Authenticate"])
def test_no_server_chooses_a_proxy_or_another_host(header: str, elsewhere: RawServer) -> None:
    where = f'0; url="http://127.0.0.1:{elsewhere.port}"' if header != "Location" else elsewhere.url
    with RawServer(lambda visit: visit.answer_all(http(b"", "305 Use Proxy", **{header: where}))) as server:
        calling = client(server.url)
        assert not calling.trigger("t", DAY).ok
        assert not calling.trigger("t", DAY).ok
        assert len(server.requests) == 2
    assert elsewhere.connections == 0


def test_no_password_of_netrc_is_sent(tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password netrc-password\ndefault login a password b\n")
    netrc.chmod(0o600)
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        shop = shop_at(server.url, tmp_path / "shop")
        done = shop.cli("refresh", "-m", "dim_customers", HOME=str(tmp_path), NETRC=str(netrc))
        assert done.returncode == 0, done.stdout
        assert server.requests
    assert not any(b"authorization:" in request.lower() for request in server.requests)


def proxied(**variables: str) -> dict[str, str]:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    both = [name for variable in names for name in (variable, variable.lower())]
    return {**dict.fromkeys(both, ""), **variables}


def test_a_proxy_that_the_user_set_is_used_and_one_that_is_excepted_is_not(
    tmp_path: Path, elsewhere: RawServer
) -> None:
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        shop = shop_at(server.url, tmp_path)
        for environment, expected in (
            (proxied(), (1, 0)),
            (proxied(http_proxy=elsewhere.url, no_proxy="127.0.0.1"), (2, 0)),
            (proxied(https_proxy=elsewhere.url), (3, 0)),
            (proxied(http_proxy=elsewhere.url), (3, 1)),
        ):
            done = shop.cli("refresh", "-m", "dim_customers", "--force", **environment)
            assert done.returncode == 0, done.stdout + done.stderr
            assert (len(server.requests), len(elsewhere.requests)) == expected


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_password_of_a_proxy_is_not_shown(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in proxied(**{f"{scheme}_proxy": "http://someone:pr0xy-passw0rd@127.0.0.1:9"}).items():
        monkeypatch.setenv(name, value)
    answer = client(f"{scheme}://anymetrics.invalid").trigger("t", DAY)
    assert "proxy" in (answer.message or "")
    assert "pr0xy-passw0rd" not in told(answer)


# In the clear


def test_credentials_that_travel_unencrypted_are_warned_of_once_and_the_work_goes_on(
    tmp_path: Path, elsewhere: RawServer
) -> None:
    # The proxy keeps the traffic on this machine; the address is another's.
    shop = shop_at("http://anymetrics.invalid:8083", tmp_path)
    done = shop.cli("refresh", **proxied(http_proxy=elsewhere.url))
    assert done.returncode == 0, done.stdout
    assert len(elsewhere.requests) == 29
    assert done.stderr.count("travel unencrypted to http://anymetrics.invalid:8083") == 1
    assert done.stderr.count("\n") == 1


def test_credentials_that_stay_on_this_machine_are_not_warned_of(tmp_path: Path) -> None:
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        for host in ("127.0.0.1", "localhost"):
            shop = shop_at(f"http://{host}:{server.port}", tmp_path / host)
            done = shop.cli("refresh", "-m", "dim_customers")
            assert (done.returncode, done.stderr) == (0, "")


def test_the_secret_reaches_the_header_of_the_request_and_its_body_not(tmp_path: Path) -> None:
    def act(visit: Visit) -> None:
        visit.answer_all(http())

    with RawServer(act) as server:
        assert client(server.url).trigger("t", DAY).ok
        [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.count(SECRET.encode()) == 1
    assert f"auth-value: {SECRET}".encode() in head
    assert SECRET.encode() not in body
    assert b"?" not in head.split(b"\r\n")[0]
