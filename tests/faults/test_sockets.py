"""Faults below HTTP, from servers that behave badly on purpose: what each is called, and that none is waited for."""

from __future__ import annotations

import datetime as dt
import gc
import gzip
import ipaddress
import socket
import ssl
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dbt_anymetrics.ledger.claims import Claim
from dbt_anymetrics.result import Refresh, Result, Status
from dbt_anymetrics.sending.delivery import Delivering, Delivery
from dbt_anymetrics.sending.queue import Queue
from dbt_anymetrics.server import client as client_module
from dbt_anymetrics.server.answer import Answer
from dbt_anymetrics.server.call import Call
from dbt_anymetrics.server.client import Client
from dbt_anymetrics.server.connection import connection
from tests.artifacts import scenario
from tests.raw_server import SUCCESS, RawServer, Visit, http
from tests.shop import Shop

DAY = date(2024, 7, 17)

SOON = 20
"""Seconds that a call with a time limit of half a second never takes, however busy the machine."""

SECRET = {"ANYMETRICS_AUTH_VALUE": "s3cret-value"}


@pytest.fixture(autouse=True)
def no_store_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests find what they say themselves, not what the machine that they run on trusts."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)


def calling(url: str, timeout: float = 5.0, ca_bundle: str | None = None) -> Client:
    settings = connection(
        url=url, tenant_id="tn", auth_type="UID", timeout=timeout, ca_bundle=ca_bundle, environment=SECRET
    )
    return Client(settings, {})


def called(url: str, timeout: float = 5.0, ca_bundle: str | None = None) -> Answer:
    """The answer to one call."""
    with closing(calling(url, timeout, ca_bundle)) as client:
        return client.trigger("t", DAY)


def call(act: Callable[[Visit], None], timeout: float = 5.0) -> Answer:
    """The answer to one call of a server that behaves so."""
    with RawServer(act) as server:
        return called(server.url, timeout)


def reads_and(then: Callable[[Visit], None]) -> Callable[[Visit], None]:
    """Read the request whole, then do this."""

    def act(visit: Visit) -> None:
        next(visit.requests())
        then(visit)

    return act


def sends(*parts: bytes, then: Callable[[Visit], None] = lambda _: None) -> Callable[[Visit], None]:
    """Read the request, send this, and close the connection unless something else is to be done first."""

    def send(visit: Visit) -> None:
        visit.socket.sendall(b"".join(parts))
        then(visit)

    return reads_and(send)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

FAILS = " fails: "

BROKEN: dict[str, tuple[Callable[[Visit], None], str]] = {
    "closed before the request": (lambda visit: None, FAILS),
    "reset before the request": (Visit.reset, FAILS),
    "reset after the request": (reads_and(Visit.reset), FAILS + "Connection reset by peer"),
    "closed after the request": (sends(), FAILS),
    "closed in the status": (sends(b"HTTP/1.1 20"), FAILS),
    "closed in the headers": (sends(b"HTTP/1.1 200 OK\r\nContent-Type: appl"), ""),
    "closed before the body": (sends(http(b"", Content_Length="80")), FAILS),
    "closed in the body": (sends(http()[:-20]), FAILS),
    "reset in the body": (sends(http()[:-20], then=Visit.reset), FAILS),
    "closed in a chunk": (sends(CHUNKED, b"50\r\n{"), FAILS),
    "closed between chunks": (sends(CHUNKED, b"1\r\n{\r\n"), FAILS),
    "a chunk without a length": (sends(CHUNKED, b"zz\r\n{}\r\n"), FAILS),
    "no HTTP at all": (sends(b"220 mail.example.com ESMTP\r\n"), FAILS),
    "a status that is no number": (sends(b"HTTP/1.1 abc\r\n\r\n"), FAILS),
    "a line without an end": (sends(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), FAILS),
    "headers without an end": (sends(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 1000), FAILS),
    "a body that is no gzip": (sends(http(SUCCESS, Content_Encoding="gzip")), ""),
    "half a gzip": (sends(http(gzip.compress(SUCCESS)[:-30], Content_Encoding="gzip")), ""),
    "a length that is too long": (sends(http(Content_Length=str(len(SUCCESS) + 1))), FAILS),
    "a length that is too short": (sends(http(Content_Length=str(len(SUCCESS) - 1))), "not the JSON object"),
    "a length that is no number": (sends(http(Content_Length="many", Connection="close")[:-3]), ""),
    "a negative length": (sends(http(b"", Content_Length="-1")), ""),
    "two lengths": (sends(http(Content_Length="10, 20")), ""),
    "a redirect that is no address": (sends(http(b"", "302 Found", Location="http://[::1")), "302"),
    "a redirect to a port that is none": (sends(http(b"", "302 Found", Location="http://h:x/")), "302"),
    "a redirect to another scheme": (sends(http(b"", "302 Found", Location="file:///etc/passwd")), "302"),
    "a redirect in no known text": (
        sends(http(b"", "302 Found").replace(b"\r\n\r\n", b"\r\nLocation: \xff\r\n\r\n")),
        "",
    ),
    "a redirect with a broken body": (sends(http(b"", "302 Found", Location="/login", Content_Length="9")), ""),
    "a negative chunk": (sends(CHUNKED, b"-5\r\n{}\r\n"), FAILS),
    "a chunk larger than any": (sends(CHUNKED, b"f" * 40 + b"\r\n{}\r\n"), ""),
    "a switch of protocols": (sends(http(b"", "101 Switching Protocols")), ""),
    "an early hint and no answer": (sends(b"HTTP/1.1 100 Continue\r\n\r\n"), FAILS),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_an_error_in_words(name: str) -> None:
    act, said = BROKEN[name]
    answer = call(act)
    assert not answer.ok
    assert said in (answer.message or "")
    assert "unexpected" not in (answer.message or "")
    assert (answer.message or "").isprintable()


EARLY = {
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n",
    "several": b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n" * 3,
}


@pytest.mark.parametrize("early", EARLY.values(), ids=EARLY)
def test_an_answer_before_the_answer_is_passed_over(early: bytes) -> None:
    with RawServer(lambda visit: visit.answer_all(early + http())) as server, closing(calling(server.url)) as client:
        assert client.trigger("t", DAY).ok
        assert client.trigger("t", DAY).trace_id == "trace"
        assert server.connections == 1


ENDS: dict[str, Callable[[Visit], None]] = {"reset": Visit.reset, "closed": lambda visit: visit.socket.close()}


@pytest.mark.parametrize("end", ENDS)
def test_a_kept_connection_that_the_server_ends_at_the_next_request_costs_no_try(end: str) -> None:
    def act(visit: Visit) -> None:
        for number, _ in enumerate(visit.requests()):
            if number:
                ENDS[end](visit)
                return
            visit.socket.sendall(http())

    with RawServer(act) as server, closing(calling(server.url)) as client:
        assert all(client.trigger("t", DAY).ok for _ in range(20))
        assert server.connections == 20


def test_a_new_connection_is_opened_once_and_only_in_the_place_of_a_kept_one() -> None:
    def act(visit: Visit) -> None:
        if visit.number:
            reads_and(Visit.reset)(visit)
        else:
            visit.answer(http())
            visit.reset()

    with RawServer(act) as server, closing(calling(server.url)) as client:
        assert client.trigger("t", DAY).ok
        lost = client.trigger("t", DAY)
        assert not lost.ok
        assert lost.retriable
        assert server.connections <= 3


def test_what_is_behind_a_whole_answer_is_not_taken_for_the_next_one() -> None:
    def act(visit: Visit) -> None:
        # The second answer is there before its request: a client that believes it takes a refusal for another call's.
        visit.answer(http() + http(b'{"success": false, "errorMsg": "for somebody else"}'))

    with RawServer(act) as server:
        client = calling(server.url)
        assert client.trigger("t", DAY).ok
        assert "for somebody else" not in (client.trigger("t", DAY).message or "")


def test_a_port_that_refuses_is_an_error_worth_a_retry() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = called(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert (answer.message or "").startswith(
        "connection refused: check that AnyMetrics is running at http://127.0.0.1:"
    )
    assert answer.retriable


def test_a_host_without_an_address_is_an_error() -> None:
    answer = called("http://no-such-host.invalid")
    assert FAILS in (answer.message or "")


@pytest.mark.parametrize("name", ["reset after the request", "closed after the request", "closed in the body"])
def test_an_answer_that_was_lost_is_worth_a_retry(name: str) -> None:
    assert call(BROKEN[name][0]).retriable


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again() -> None:
    with RawServer(lambda visit: visit.answer(http(Connection="close"))) as server:
        client = calling(server.url)
        for _ in range(3):
            assert client.trigger("t", DAY).ok
        assert server.connections == 3


def test_one_connection_serves_every_call_of_a_thread() -> None:
    with RawServer(lambda visit: visit.answer_all(http())) as server:
        client = calling(server.url)
        assert all(client.trigger("t", DAY).ok for _ in range(20))
        assert server.connections == 1


# Time

SILENT: dict[str, Callable[[Visit], None]] = {
    "silent": Visit.wait,
    "silent after the request": reads_and(Visit.wait),
    "silent in the body": sends(http()[:-20], then=Visit.wait),
    "a trickle of headers": reads_and(lambda visit: visit.trickle(b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n")),
    "a trickle of one header": reads_and(lambda visit: visit.trickle(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")),
    "a trickle of early hints": reads_and(lambda visit: visit.trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "a trickle of body": reads_and(lambda visit: visit.trickle(http(b"", Content_Length="100000"), b" ")),
    "a trickle of chunks": reads_and(lambda visit: visit.trickle(CHUNKED, b"1\r\n \r\n")),
    "a trickle of a redirect's body": reads_and(
        lambda visit: visit.trickle(http(b"", "302 Found", Location="/login", Content_Length="100000"), b" ")
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_server_that_is_slow_without_end_is_given_up_on(name: str) -> None:
    begun = time.monotonic()
    answer = call(SILENT[name], timeout=0.5)
    assert time.monotonic() - begun < SOON
    assert answer.message == "no answer within 0.5 s; whether the refresh was triggered is unknown"
    assert answer.retriable


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port where nobody accepts: the queue of those who wait is full, and whoever comes next gets no answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield full.getsockname()[1]
        for each in waiting:
            each.close()


def test_a_server_that_never_accepts_is_given_up_on(deaf: int) -> None:
    answer = called(f"http://127.0.0.1:{deaf}", timeout=0.5)
    assert answer.message == "no connection within 0.5 s"
    assert answer.retriable


def test_a_slow_answer_is_given_up_on_though_the_time_was_up_before_there_was_a_connection(
    deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name with many addresses, of which only the last answers: each of the others costs the whole time limit.
    def trickle(visit: Visit) -> None:
        next(visit.requests())
        visit.socket.sendall(http(b"", Content_Length="300"))
        for _ in range(300):
            visit.over.wait(0.05)
            visit.socket.sendall(b" ")

    with RawServer(trickle) as server:
        ports = (deaf, deaf, deaf, server.port)
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        found = [(*stream, ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        begun = time.monotonic()
        answer = called("http://many.invalid", timeout=0.5)
    assert not answer.ok
    assert answer.retriable
    assert time.monotonic() - begun < 10


def test_after_a_slow_answer_the_next_call_is_on_a_new_connection_and_whole() -> None:
    def act(visit: Visit) -> None:
        if visit.number == 0:
            SILENT["a trickle of body"](visit)
        else:
            visit.answer_all(http())

    with RawServer(act) as server:
        client = calling(server.url, timeout=1.5)
        assert not client.trigger("t", DAY).ok
        assert client.trigger("t", DAY).ok
        assert server.connections == 2


def test_an_answer_within_the_time_limit_is_taken_though_each_part_is_slow() -> None:
    def act(visit: Visit) -> None:
        next(visit.requests())
        for byte in http():
            visit.socket.sendall(bytes([byte]))

    assert call(act, timeout=SOON).ok


def test_no_thread_is_left_behind_by_a_client_that_is_closed() -> None:
    before = set(threading.enumerate())
    with RawServer(lambda visit: visit.answer_all(http())) as server, closing(calling(server.url)) as client:
        assert all(client.trigger("t", DAY).ok for _ in range(20))
    for thread in set(threading.enumerate()) - before:
        thread.join(SOON)
        assert not thread.is_alive(), thread.name


# Size

ENDLESS = {
    "body": http(b"", Content_Length=str(1 << 40)),
    "chunks": CHUNKED + b"10000000\r\n",
    "error": http(b"", "500 Error", Content_Length=str(1 << 40)),
    "redirect": http(b"", "302 Found", Location="/login", Content_Length=str(1 << 40)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_cut_and_takes_little_memory(name: str) -> None:
    sent: list[int] = []

    def act(visit: Visit) -> None:
        next(visit.requests())
        visit.socket.sendall(ENDLESS[name])
        for _ in range(64):
            visit.socket.sendall(bytes(1 << 20))
            sent.append(1)

    tracemalloc.start()
    try:
        answer = call(act)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not answer.ok
    assert len(sent) < 64, "the client read it all"
    assert peak < 16 << 20


def test_a_small_answer_that_unpacks_to_a_large_one_takes_little_memory() -> None:
    bomb = gzip.compress(bytes(256 << 20), compresslevel=9)
    tracemalloc.start()
    try:
        answer = call(sends(http(bomb, Content_Encoding="gzip")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not answer.ok
    assert peak < 64 << 20


# TLS


class Authority(NamedTuple):
    """Who signs certificates, and the file that says so."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    bundle: Path


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    ends_in_days: int,
    *more: x509.ExtensionType,
) -> x509.Certificate:
    ends = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=ends_in_days)
    signer = issuer.key if issuer else key
    builder = x509.CertificateBuilder(
        subject_name=_name(subject),
        issuer_name=issuer.certificate.subject if issuer else _name(subject),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=ends - dt.timedelta(days=400),
        not_valid_after=ends,
    )
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    for extension in (
        x509.BasicConstraints(ca=issuer is None, path_length=None),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        authority,
        *more,
    ):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = _certificate("A private authority", key, None, 30, usage)
    bundle = tmp_path_factory.mktemp("authority") / "ca.pem"
    bundle.write_bytes(_pem(certificate))
    return Authority(key, certificate, bundle)


@pytest.fixture
def context(authority: Authority, tmp_path: Path, request: pytest.FixtureRequest) -> ssl.SSLContext:
    """A server's side of TLS: its certificate for 127.0.0.1, or what the parameter says of it instead."""
    host, days = getattr(request, "param", ("127.0.0.1", 30))
    key = ec.generate_private_key(ec.SECP256R1())
    alternative: x509.GeneralName = (
        x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    )
    certificate = _certificate(host, key, authority, days, x509.SubjectAlternativeName([alternative]))
    pair = tmp_path / "server.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pair.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()) + _pem(certificate))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair)
    return made


@pytest.fixture
def secure(context: ssl.SSLContext) -> Iterator[RawServer]:
    with RawServer(lambda visit: visit.answer_all(http()), context) as server:
        yield server


def test_a_certificate_of_an_authority_in_the_bundle_is_trusted(secure: RawServer, authority: Authority) -> None:
    assert called(secure.url, ca_bundle=str(authority.bundle)).ok


def test_an_authority_in_the_store_of_the_system_is_trusted(
    secure: RawServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not called(secure.url).ok
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))  # how OpenSSL is told of another store
    assert called(secure.url).ok


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_is_named_wins_over_the_store_of_the_system(
    secure: RawServer, authority: Authority, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.bundle))
    others = certifi.where()
    assert not called(secure.url, ca_bundle=others).ok
    settings = connection(url=secure.url, tenant_id="tn", auth_type="UID", environment=SECRET)
    with closing(Client(settings, {variable: others})) as client:
        assert not client.trigger("t", DAY).ok


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_bundle_of_the_environment_is_trusted(secure: RawServer, authority: Authority, variable: str) -> None:
    settings = connection(url=secure.url, tenant_id="tn", auth_type="UID", environment=SECRET)
    assert Client(settings, {variable: str(authority.bundle)}).trigger("t", DAY).ok


@pytest.mark.parametrize(
    ("context", "trusted", "said"),
    [
        (("127.0.0.1", 30), False, "unable to get local issuer certificate"),
        (("127.0.0.1", -1), True, "certificate has expired"),
        (("127.0.0.2", 30), True, "127.0.0.1"),
        (("anymetrics.example.com", 30), True, "127.0.0.1"),
    ],
    ids=["unknown", "expired", "another address", "another name"],
    indirect=["context"],
)
def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    secure: RawServer, authority: Authority, trusted: bool, said: str
) -> None:
    answer = called(secure.url, ca_bundle=str(authority.bundle) if trusted else None)
    assert (answer.message or "").startswith("TLS fails: ")
    assert said in (answer.message or "")
    assert "ANYMETRICS_CA_BUNDLE" in (answer.message or "")
    assert not answer.retriable
    assert secure.requests == []


@pytest.mark.parametrize("name", ["PYTHONHTTPSVERIFY", "ANYMETRICS_VERIFY", "ANYMETRICS_INSECURE", "SSL_NO_VERIFY"])
def test_nothing_in_the_environment_switches_verification_off(
    secure: RawServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "0")
    settings = connection(url=secure.url, tenant_id="tn", auth_type="UID", environment=SECRET)
    answer = Client(settings, {name: "0", "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}).trigger("t", DAY)
    assert (answer.message or "").startswith("TLS fails: ")
    assert secure.requests == []


def test_a_bundle_that_holds_no_certificate_is_an_error_in_words(secure: RawServer, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate\n")
    answer = called(secure.url, ca_bundle=str(bundle))
    assert not answer.ok
    assert "unexpected" not in (answer.message or "")
    assert secure.requests == []


def test_https_to_a_server_without_tls_is_an_error_in_words() -> None:
    def refuse(visit: Visit) -> None:
        visit.socket.recv(1 << 16)
        visit.socket.sendall(http(b"This is no TLS", "400 Bad Request"))

    with RawServer(refuse) as server:
        answer = called(server.url.replace("http:", "https:"))
    assert (answer.message or "").startswith("TLS fails: ")


def test_http_to_a_server_with_tls_is_an_error_in_words(secure: RawServer) -> None:
    answer = called(secure.url.replace("https:", "http:"))
    assert FAILS in (answer.message or "")


# No call takes for ever, whatever it waits for


def delivering(client: Client, number: int, threads: int) -> tuple[list[Result], str | None]:
    """What came of so many refreshes, and why the delivery gave up, if it did."""
    planned = [Refresh(unique_id="model.shop.t", table_name=f"t{n}", partition=DAY) for n in range(number)]
    queue = Queue(planned, lambda wanted: [Claim.OURS] * len(wanted), threads)
    manner = Delivering(threads=threads)
    delivery = Delivery(queue, number, client, manner, on_retry=lambda _retry: None, on_wait=lambda *_: None)
    results = [result for ended in delivery for _, result in ended if result]
    return [*results, *delivery.left()], delivery.given_up


def dripping_proxy(visit: Visit) -> None:
    """Take the request for a tunnel, and answer it without end."""
    next(visit.requests())
    visit.trickle(b"HTTP/1.1 200 Connection established\r\n", b"X-Slow: x\r\n")


def test_a_proxy_that_drips_its_answer_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(dripping_proxy) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        started = time.monotonic()
        answer = called("https://anymetrics.invalid", 0.5)
        assert time.monotonic() - started < SOON
    with warnings.catch_warnings():  # urllib3 leaves the socket of a tunnel that was cut to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert answer.is_unknown
    assert "no answer within 0.5 s" in (answer.message or "")


@pytest.mark.parametrize("threads", [1, 4])
def test_a_name_that_is_looked_up_without_end_is_given_up_on(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    over, looked = threading.Event(), threading.Event()

    def look_up(host: str, *_arguments: object, **_named: object) -> list[object]:
        assert host == "anymetrics.invalid"
        looked.set()
        over.wait(60)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(client_module, "GRACE", 0.1)
    started = time.monotonic()
    with closing(calling("http://anymetrics.invalid", 0.1)) as client:
        results, given_up = delivering(client, 30, threads)
    assert looked.is_set()
    assert time.monotonic() - started < 30 * SOON
    over.set()
    assert sorted(result.table_name or "" for result in results) == sorted(f"t{n}" for n in range(30))
    tried = [result for result in results if result.status is Status.ERROR]
    assert 10 <= len(tried) <= 10 + 2 * threads
    assert all(result.perhaps_sent and "no answer within 0.1 s" in (result.message or "") for result in tried)
    assert given_up
    assert "too many refreshes in a row" in given_up


def test_a_name_with_many_dead_addresses_is_given_up_on(deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", deaf))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: [address] * 600)
    with closing(calling("http://anymetrics.invalid", 0.2)) as client:
        started = time.monotonic()
        answer = client.probe()
        results, _ = delivering(client, 1, 1)
    assert time.monotonic() - started < 2 * SOON
    assert "no answer within 0.2 s" in (answer.message or "")
    assert [result.status for result in results] == [Status.ERROR]


def test_what_comes_after_a_call_was_given_up_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first name that is looked up comes late; every other call, in another thread, is answered meanwhile."""
    whole = socket.getaddrinfo
    over, first = threading.Event(), threading.Lock()

    def look_up(*arguments: Any, **named: Any) -> Any:
        if first.acquire(blocking=False):
            over.wait(60)
        return whole(*arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with RawServer(lambda visit: visit.answer_all(http())) as server, closing(calling(server.url, 0.2)) as client:
        results, given_up = delivering(client, 40, 1)
        over.set()
    assert given_up is None
    assert [result.status for result in results].count(Status.SUCCESS) == 39
    assert len({result.table_name for result in results}) == 40


def test_a_call_with_much_time_does_not_keep_a_shorter_one_waiting() -> None:
    long, begins = Call(method="GET", path="/long", seconds=600), threading.Event()

    def trickle(visit: Visit) -> None:
        begins.set()
        visit.trickle(b"HTTP/1.1 200 OK\r\nX: ", b"x")

    with RawServer(reads_and(trickle)) as server:
        client = calling(server.url, timeout=0.2)
        waiting = threading.Thread(target=client.ask, args=(long,), daemon=True)
        waiting.start()
        assert begins.wait(SOON)
        begun = time.monotonic()
        answer = client.probe()
        assert time.monotonic() - begun < SOON
        assert waiting.is_alive()
    waiting.join(SOON)
    client.close()
    assert answer.message == "no answer within 0.2 s"


def test_a_handshake_that_is_never_answered_is_given_up_on() -> None:
    with RawServer(Visit.wait) as server:
        answer = called(server.url.replace("http:", "https:"), timeout=0.5)
    assert not answer.ok
    assert answer.retriable


def test_a_slow_trickle_under_tls_is_given_up_on(context: ssl.SSLContext, authority: Authority) -> None:
    begun = time.monotonic()
    with RawServer(SILENT["a trickle of body"], context) as server:
        answer = called(server.url, timeout=0.5, ca_bundle=str(authority.bundle))
    assert time.monotonic() - begun < SOON
    assert answer.message == "no answer within 0.5 s; whether the refresh was triggered is unknown"


# Through the command line


def test_a_private_authority_works_with_ca_bundle_and_the_error_without_it_says_so(
    secure: RawServer, authority: Authority, tmp_path: Path
) -> None:
    scenario("1.11", "build", tmp_path / "target")
    identity = {"ANYMETRICS_URL": secure.url, "ANYMETRICS_TENANT_ID": "tn", "ANYMETRICS_AUTH_TYPE": "UID", **SECRET}
    shop = Shop(tmp_path, {**identity, "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""})
    failed = shop.cli("refresh")
    assert failed.returncode == 1
    assert "TLS fails: " in failed.stdout
    assert "set ANYMETRICS_CA_BUNDLE" in failed.stdout
    assert secure.requests == []
    assert shop.cli("refresh", "--ca-bundle", str(authority.bundle)).returncode == 0
    assert len(secure.requests) == 29
