"""The download against a real server that misbehaves, one answer after another."""

import contextlib
import errno
import gzip
import hashlib
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme

from makemore.data.download import (
    BRIEF,
    NAMES,
    Patience,
    Publication,
    bundled_names,
    download_names,
    find_names,
    names_are_intact,
)
from makemore.errors import DownloadError

CONTENT = b"".join(b"name%05d\n" % number for number in range(3000))  # 30,000 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(connect=2.0, read=0.3, total=0.8, answer=5.0, attempts=3, pause=0.01)

Answer = Callable[["Exchange"], None]


class Exchange(socketserver.BaseRequestHandler):
    """One connection: TLS, one request, and the answer whose turn it is."""

    server: "Server"

    def handle(self) -> None:
        # What the client does to a connection that it leaves is not the server's failure.
        with contextlib.suppress(OSError):
            if self.server.is_proxy:
                self.server.heads.append(self._head(self.request))
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if self.server.before_tls is not None:
                self.server.before_tls(self.request)
                return
            with self.server.context.wrap_socket(self.request, server_side=True) as self.request:
                self.server.heads.append(self._head(self.request))
                self.server.next_answer()(self)

    def _head(self, connection: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (received := connection.recv(1)):
            head += received
        return head

    def send(self, data: bytes) -> None:
        self.request.sendall(data)

    def stall(self) -> None:
        self.server.over.wait(10)

    def reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        os.close(self.request.detach())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 16

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.context = context
        self.answers: list[Answer] = []
        self.heads: list[bytes] = []
        self.before_tls: Callable[[socket.socket], None] | None = None
        self.is_proxy = False
        self.over = threading.Event()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def published(self) -> Publication:
        return Publication(f"https://localhost:{self.port}/names.txt", len(CONTENT), SHA256)

    def next_answer(self) -> Answer:
        """Return the answers one by one; the last is given for ever."""
        with self.lock:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def server(
    authority: trustme.CA,
    context: ssl.SSLContext,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    certificates = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(certificates))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Server(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def reply(
    body: bytes = CONTENT, status: str = "200 OK", length: int | None = None, extra: str = ""
) -> Answer:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n"
    return lambda exchange: exchange.send(f"{head}{extra}\r\n".encode("latin-1") + body)


def redirect(location: str) -> Answer:
    return reply(b"", "302 Found", extra=f"Location: {location}\r\n")


def raw(*parts: bytes | float, then: Answer | None = None) -> Answer:
    """Send bytes and sleep for numbers, in turn, and last do what ``then`` does."""

    def answer(exchange: Exchange) -> None:
        for part in parts:
            if isinstance(part, bytes):
                exchange.send(part)
            else:
                time.sleep(part)
        if then is not None:
            then(exchange)

    return answer


def endless(head: bytes, piece: bytes) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.send(head)
        while not exchange.server.over.is_set():
            exchange.send(piece)

    return answer


def dripping(head: bytes, piece: bytes) -> Answer:
    """A byte now and then, each before the deadline of a single read."""

    def answer(exchange: Exchange) -> None:
        exchange.send(head)
        while not exchange.server.over.wait(0.05):
            exchange.send(piece)

    return answer


def download(server: Server, target: Path, patience: Patience = QUICK) -> Path:
    return download_names(target, published=server.published, patience=patience)


def failure(server: Server, folder: Path, patience: Patience = QUICK) -> str:
    """Return the message of a download that fails as it should: nothing left, one plain line."""
    with pytest.raises(DownloadError) as caught:
        download(server, folder / "data" / "names.txt", patience)
    assert os.listdir(folder) == []
    assert str(caught.value).isprintable()
    return str(caught.value)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\n"


# What goes well


def test_download_is_put_in_place_and_its_folder_made(server: Server, tmp_path: Path) -> None:
    server.answers = [reply()]
    target = tmp_path / "a" / "b" / "names.txt"
    before = os.umask(0o027)
    try:
        assert download(server, target) == target
    finally:
        os.umask(before)
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(target.parent) == ["names.txt"]
    assert b"Accept-Encoding: identity" in server.heads[0]


@pytest.mark.parametrize(
    "answer",
    [
        raw(CHUNKED, b"%x\r\n" % len(CONTENT), CONTENT, b"\r\n0\r\n\r\n"),
        raw(UNTIL_CLOSED, CONTENT),
        reply(extra="Content-Encoding: identity\r\n"),
        redirect("/elsewhere?x=1"),
        endless(b"HTTP/1.1 302 Found\r\nLocation: /here\r\n\r\n", b"x" * 1000),
    ],
    ids=["chunked", "until-closed", "identity", "relative-redirect", "endless-redirect"],
)
def test_unusual_but_right_answers_are_taken(
    server: Server, tmp_path: Path, answer: Answer
) -> None:
    server.answers = [answer, reply()]
    assert download(server, tmp_path / "names.txt").read_bytes() == CONTENT


def test_progress_is_told_in_the_callers_thread(server: Server, tmp_path: Path) -> None:
    server.answers = [raw(HEAD, CONTENT[:9000]), reply()]
    told: list[int] = []

    def progress(received: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        told.append(received)

    target = tmp_path / "names.txt"
    download_names(target, published=server.published, patience=QUICK, progress=progress)
    assert told[0] == 0
    assert told[-1] == len(CONTENT)
    assert told.count(0) == 2  # the second attempt starts anew


def test_symlink_is_followed_and_an_old_file_replaced(server: Server, tmp_path: Path) -> None:
    server.answers = [reply()]
    link, target = tmp_path / "link", tmp_path / "made" / "names.txt"
    link.symlink_to(target)
    download(server, link)
    assert target.read_bytes() == CONTENT
    target.write_bytes(b"damaged")
    download(server, link)
    assert link.is_symlink()
    assert target.read_bytes() == CONTENT


def test_two_downloads_at_once_are_safe(server: Server, tmp_path: Path) -> None:
    server.answers = [raw(HEAD, CONTENT[:5000], 0.1, CONTENT[5000:])]
    target = tmp_path / "data" / "names.txt"
    threads = [threading.Thread(target=download, args=(server, target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == ["names.txt"]
    assert len(server.heads) == 4


def test_proxy_of_the_environment_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.is_proxy = True
    server.answers = [reply()]
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
    published = Publication("https://localhost:9/names.txt", len(CONTENT), SHA256)
    download_names(tmp_path / "names.txt", published=published, patience=QUICK)
    assert server.heads[0].startswith(b"CONNECT localhost:9 ")
    assert (tmp_path / "names.txt").read_bytes() == CONTENT


# Faults that pass: tried again


@pytest.mark.parametrize(
    "fault",
    [
        raw(HEAD, CONTENT[:-1]),
        raw(HEAD, CONTENT[:20_000], then=Exchange.reset),
        raw(HEAD, CONTENT[:20_000], then=Exchange.stall),
        raw(then=Exchange.stall),
        raw(then=Exchange.reset),
        raw(),
        raw(CHUNKED, b"%x\r\n" % len(CONTENT), CONTENT[:-9]),
        raw(UNTIL_CLOSED, CONTENT[:-1]),
        raw(b"no HTTP at all\r\n\r\n"),
        reply(b"", "429 Too Many Requests"),
        reply(b"", "500 Internal Server Error"),
        reply(b"later", "503 Service Unavailable", extra="Retry-After: 0\r\n"),
        reply(b"", "503 Service Unavailable", extra="Retry-After: whenever\r\n"),
        reply(
            b"", "503 Service Unavailable", extra=f"Retry-After: {formatdate(0, usegmt=True)}\r\n"
        ),
    ],
    ids=[
        *("short", "reset-body", "stalled-body", "stalled", "reset", "closed", "cut-chunk"),
        *("short-until-closed", "no-http", "429", "500", "503", "503-whenever", "503-past-date"),
    ],
)
def test_passing_fault_is_tried_again(server: Server, tmp_path: Path, fault: Answer) -> None:
    server.answers = [fault, fault, reply()]
    assert download(server, tmp_path / "names.txt").read_bytes() == CONTENT
    assert len(server.heads) == 3


def test_last_attempt_says_what_was_wrong(server: Server, tmp_path: Path) -> None:
    server.answers = [raw(HEAD, CONTENT[:-1])]
    message = failure(server, tmp_path)
    assert len(server.heads) == QUICK.attempts
    assert server.published.url in message
    assert "29999" in message
    assert "try again" in message


def test_retry_after_is_honoured(server: Server, tmp_path: Path) -> None:
    server.answers = [reply(b"", "503 Wait", extra="Retry-After: 1\r\n"), reply()]
    started = time.monotonic()
    download(server, tmp_path / "names.txt")
    assert 1.0 <= time.monotonic() - started < 3.0


@pytest.mark.parametrize(
    "wait",
    ["6", "9" * 400, formatdate(time.time() + 3600, usegmt=True)],
    ids=["seconds", "ages", "date"],  # all processes that run the tests must name them alike
)
def test_too_long_a_retry_after_is_not_waited_for(
    server: Server, tmp_path: Path, wait: str
) -> None:
    server.answers = [reply(b"", "503 Wait", extra=f"Retry-After: {wait}\r\n")]
    started = time.monotonic()
    assert "503" in failure(server, tmp_path)
    assert time.monotonic() - started < 1.0
    assert len(server.heads) == 1


# Deadlines


@pytest.mark.parametrize(
    "answer",
    [
        dripping(HEAD, b"x"),
        dripping(CHUNKED, b"1\r\nx\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        dripping(CHUNKED, b"0"),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "header", "headers", "chunk-size", "endless-100"],
)
def test_dripping_is_ended_by_the_total_deadline(
    server: Server, tmp_path: Path, answer: Answer
) -> None:
    server.answers = [answer]
    patience = Patience(connect=0.2, read=0.3, total=0.6, attempts=1)
    started = time.monotonic()
    message = failure(server, tmp_path, patience)
    assert time.monotonic() - started < 1.2
    # From 3.14.1 on Python itself ends what is endless after a hundred such answers.
    assert "seconds" in message or "interim responses" in message


def test_silent_server_is_ended_by_the_connect_deadline(server: Server, tmp_path: Path) -> None:
    def wait(_: socket.socket) -> None:
        server.over.wait(10)

    server.before_tls = wait
    patience = Patience(connect=0.3, read=5.0, total=10.0, attempts=1)
    started = time.monotonic()
    assert "timed out" in failure(server, tmp_path, patience)
    assert time.monotonic() - started < 2.0


# Final: not tried again


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply(b"<html>Please log in</html>"), "found 26:"),
        (raw(CHUNKED, b"5\r\nlogin\r\n0\r\n\r\n"), "found 5 "),
        (reply(CONTENT[:-1] + b"\0"), "SHA-256"),
        (reply(CONTENT[:-1]), "found 29,999"),
        (reply(CONTENT + b"x"), "found 30,001"),
        (reply(length=10**15), "found 1,000,000,000,000,000"),
        (reply(b"", "204 No Content"), "204"),
        (reply(CONTENT[:9], "206 Partial Content"), "206"),
        (reply(b"", "304 Not Modified"), "304"),
        (reply(b"gone", "404 Not Found"), "404"),
        (reply(b"", "501 Not Implemented"), "501"),
        (reply(b"", "302 Found"), "302"),
        (endless(UNTIL_CLOSED, b"x" * 1000), "found more"),
        (endless(CHUNKED, b"3e8\r\n" + b"x" * 1000 + b"\r\n"), "found more"),
        (endless(CHUNKED + b"ffffffffff\r\n", b"x" * 1000), "found more"),
        (reply(gzip.compress(CONTENT), extra="Content-Encoding: gzip\r\n"), "bytes, found"),
        (
            reply(gzip.compress(bytes(10**7)), extra="Content-Encoding: gzip, br\r\n"),
            "bytes, found",
        ),
        (
            reply(gzip.compress(bytes(10**7)), extra="Content-Type: application/gzip\r\n"),
            "bytes, found",
        ),
        (redirect("/again"), "redirects"),
        (redirect("http://localhost/names.txt"), "http://localhost"),
        (redirect("file:///etc/passwd"), "file:///etc/passwd"),
        (redirect("//[broken/"), "Invalid"),
        (redirect("https://\x1b[31mred/"), "localhost"),
        (redirect("https://\xff\x80/"), "localhost"),
        (redirect("ftp://a/\x1b[2J"), "must be https"),
    ],
)
def test_final_fault_is_not_tried_again(
    server: Server, tmp_path: Path, answer: Answer, says: str
) -> None:
    server.answers = [answer]
    assert says in failure(server, tmp_path)
    assert len(server.heads) == (6 if says == "redirects" else 1)


@pytest.mark.parametrize(
    "answer",
    [
        endless(UNTIL_CLOSED, b"x" * 100_000),
        endless(CHUNKED, b"0" * 100_000),
        endless(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 60_000 + b"\r\n"),
        endless(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", b"x" * 100_000),
        reply(gzip.compress(bytes(10**8))[: len(CONTENT)], extra="Content-Encoding: gzip\r\n"),
    ],
    ids=["body", "chunk-size", "headers", "redirect", "bomb"],
)
def test_memory_is_bounded_whatever_is_sent(server: Server, tmp_path: Path, answer: Answer) -> None:
    server.answers = [reply(b""), answer]
    once = replace(QUICK, attempts=1)
    failure(server, tmp_path, once)  # what the imports take is not measured
    tracemalloc.start()
    try:
        failure(server, tmp_path, once)
        # http.client itself allows a hundred headers of 64 KiB.
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_address_that_is_not_https_is_refused(tmp_path: Path) -> None:
    for url in ("http://localhost/names.txt", "file:///etc/passwd", "names.txt", "", "https://"):
        published = Publication(url, 1, SHA256)
        with pytest.raises(DownloadError):
            download_names(tmp_path / "names.txt", published=published, patience=QUICK)
    assert os.listdir(tmp_path) == []


def test_untrusted_certificate_is_refused_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path.with_name("other-authority.pem")
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    server.answers = [reply()]
    patience = Patience(pause=5.0)
    started = time.monotonic()
    message = failure(server, tmp_path, patience)
    assert "certificate" in message
    assert "REQUESTS_CA_BUNDLE" in message
    assert time.monotonic() - started < 2.0
    assert server.heads == []


def test_certificate_for_another_host_is_refused(server: Server, tmp_path: Path) -> None:
    server.answers = [redirect(f"https://127.0.0.1:{server.port}/names.txt")]
    assert "127.0.0.1" in failure(server, tmp_path)
    assert len(server.heads) == 1


def test_bundle_of_certificates_that_is_missing_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert "/nowhere/ca.pem" in failure(server, tmp_path)


def test_reset_in_the_handshake_is_tried_again(server: Server, tmp_path: Path) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        os.close(connection.detach())
        server.before_tls = None

    server.before_tls = reset
    server.answers = [reply()]
    assert download(server, tmp_path / "names.txt").read_bytes() == CONTENT


def test_server_without_tls_and_no_server_are_one_line(server: Server, tmp_path: Path) -> None:
    server.before_tls = lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert "download failed" in failure(server, tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        published = Publication(f"https://localhost:{unused.getsockname()[1]}/", 1, SHA256)
        with pytest.raises(DownloadError, match="Connection refused"):
            download_names(tmp_path / "names.txt", published=published, patience=QUICK)


# The disk, and interrupts


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_failure_on_the_disk_leaves_the_old_file(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    error: BaseException,
) -> None:
    def fail(*_: object) -> None:
        raise error

    server.answers = [reply()]
    target = tmp_path / "names.txt"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    expected = DownloadError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        download(server, target)
    assert expected is KeyboardInterrupt or "No space left on device" in str(caught.value)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["names.txt"]


def test_target_that_cannot_be_written_is_one_line(server: Server, tmp_path: Path) -> None:
    server.answers = [reply()]
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file" / "names.txt", Path("/proc/x\x1b[31m/names.txt")):
        with pytest.raises(DownloadError, match="cannot be written") as caught:
            download(server, target)
        assert str(caught.value).isprintable()
    assert os.listdir(tmp_path) == ["file"]


def test_interrupt_half_way_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.answers = [raw(HEAD, CONTENT[:20_000], then=Exchange.stall)]

    def interrupt(received: int) -> None:
        if received > 0:
            os.kill(os.getpid(), signal.SIGINT)

    patience = Patience(read=30.0)
    target = tmp_path / "data" / "names.txt"
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download_names(target, published=server.published, patience=patience, progress=interrupt)
    assert os.listdir(tmp_path) == []
    assert time.monotonic() - started < 1.0


def test_interrupt_while_waiting_is_heard(server: Server, tmp_path: Path) -> None:
    server.answers = [raw(then=Exchange.stall)]
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download(server, tmp_path / "names.txt", Patience())
    assert time.monotonic() - started < 1.0
    assert os.listdir(tmp_path) == []


# Which list it is


def test_intact_names_are_used_without_a_network(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "names.txt"
    target.write_bytes(CONTENT)
    found = find_names(target, published=server.published, patience=QUICK)
    assert found == (target, "")
    assert server.heads == []


def test_missing_names_are_downloaded(server: Server, tmp_path: Path) -> None:
    server.answers = [reply()]
    target = tmp_path / "names.txt"
    found = find_names(target, published=server.published, patience=QUICK)
    assert found == (target, f"downloaded {target}")
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"x" + CONTENT[1:], b"my own words\n"])
def test_another_file_of_that_name_is_neither_used_nor_lost(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    target = tmp_path / "names.txt"
    target.write_bytes(content)
    with pytest.raises(DownloadError, match=r"not the published file .*'makemore download'"):
        find_names(target, published=server.published, patience=QUICK)
    assert target.read_bytes() == content
    assert server.heads == []


def test_names_that_cannot_be_had_are_answered_by_the_bundled_ones(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [reply(b"", "404 Not Found")]
    path, note = find_names(tmp_path / "names.txt", published=server.published, patience=QUICK)
    assert path == bundled_names()
    assert note.startswith("using the list of 2017 inside the package")
    assert "404" in note


def test_host_that_is_not_found_is_answered_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    started = time.monotonic()
    path, note = find_names(tmp_path / "data" / "names.txt")
    assert time.monotonic() - started < 1.0
    assert path == bundled_names()
    assert "name resolution" in note
    assert NAMES.url in note
    assert note.isprintable()
    assert os.listdir(tmp_path) == []


def test_look_up_that_hangs_is_left_within_five_seconds(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> None:
        server.over.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    patience = replace(BRIEF, answer=0.4)
    path, _ = find_names(tmp_path / "names.txt", patience=patience)
    assert time.monotonic() - started < 0.9
    assert path == bundled_names()
    assert BRIEF.answer <= 4.5  # the rest of the five seconds is for the command around it


def test_process_ends_while_a_look_up_still_hangs(tmp_path: Path) -> None:
    program = (
        "import socket, sys, time\n"
        "from pathlib import Path\n"
        "from makemore.data.download import Patience, find_names\n"
        "socket.getaddrinfo = lambda *_, **__: time.sleep(30)\n"
        "print(find_names(Path(sys.argv[1]), patience=Patience(answer=0.5))[0].name)\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "names.txt"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "us-names-2017.txt\n", "")
    assert time.monotonic() - started < 5.0


def test_answer_is_bounded_over_all_attempts(server: Server, tmp_path: Path) -> None:
    server.answers = [raw(then=Exchange.stall)]
    patience = Patience(read=0.3, answer=0.5, pause=0.01)
    started = time.monotonic()
    path, _ = find_names(tmp_path / "names.txt", published=server.published, patience=patience)
    assert time.monotonic() - started < 1.0
    assert path == bundled_names()


def test_slow_network_has_longer_once_data_flow(server: Server, tmp_path: Path) -> None:
    parts = [CONTENT[start : start + 5000] for start in range(0, len(CONTENT), 5000)]
    server.answers = [raw(HEAD, *[part for piece in parts for part in (piece, 0.15)])]
    patience = Patience(read=2.0, answer=0.5)
    path, _ = find_names(tmp_path / "names.txt", published=server.published, patience=patience)
    assert path == tmp_path / "names.txt"


def test_names_are_intact_only_when_every_byte_is_right(tmp_path: Path) -> None:
    published = Publication("https://localhost/", 5, hashlib.sha256(b"right").hexdigest())
    path = tmp_path / "names.txt"
    for data in (b"", b"righ", b"rights", b"wrong", b"Right"):
        path.write_bytes(data)
        assert not names_are_intact(path, published)
    path.write_bytes(b"right")
    assert names_are_intact(path, published)
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "missing", tmp_path / "pipe", path / "below"):
        assert not names_are_intact(other, published)


def test_figures_are_those_of_the_real_file() -> None:
    names = os.environ.get("MAKEMORE_NAMES")
    if names is None:
        pytest.skip("MAKEMORE_NAMES does not name the real names.txt")
    data = Path(names).read_bytes()
    assert len(data) == NAMES.size
    assert hashlib.sha256(data).hexdigest() == NAMES.sha256
    assert names_are_intact(Path(names))


def test_bundled_list_is_the_one_its_note_describes() -> None:
    data = bundled_names().read_bytes()
    note = bundled_names().with_suffix(".md").read_text(encoding="utf-8")
    assert f"{len(data):,} bytes" in note
    assert hashlib.sha256(data).hexdigest() in note


def test_import_does_not_import_requests() -> None:
    program = "import sys, makemore.data.download; sys.exit('requests' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
