"""names.txt: downloaded over https and verified, or else the list inside the package.

The file is small, so it is held in memory and written only when its SHA-256 is right. Each attempt
runs in a daemon thread, for which the caller waits with a deadline: nothing inside a thread bounds
the look-up of a host's name, or headers that arrive a byte at a time.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from makemore.errors import DownloadError, shown, unwritable
from makemore.files import replace_atomically

if TYPE_CHECKING:
    import requests

_MAX_REDIRECTS = 5
_PIECE = 4096  # bytes: small enough to show progress
_TRANSIENT_STATUSES = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Publication:
    """A published file: its https address, its size in bytes, its SHA-256 in lower-case hex."""

    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Patience:
    """Deadlines in seconds, and the number of attempts.

    ``connect`` limits the connection of one attempt, ``read`` each silence after it, and ``total``
    the whole attempt. The file must start to arrive within ``answer`` of the first attempt, so that
    the wait without a network is short while a slow network still has ``total``. The ``pause``
    before the next attempt doubles each time; a server may ask for a longer one (Retry-After).
    """

    connect: float = 5.0
    read: float = 10.0
    total: float = 60.0
    answer: float = 90.0
    attempts: int = 4
    pause: float = 0.5


NAMES = Publication(
    "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
    228_145,
    "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
)
# Without a network `train` answers within five seconds, of which all else takes less than one.
BRIEF = Patience(answer=4.0)


def bundled_names() -> Path:
    """Return the path of us-names-2017.txt, the list inside the package."""
    return Path(__file__).with_name("us-names-2017.txt")


def names_are_intact(path: Path, published: Publication = NAMES) -> bool:
    """Return whether the file is there and is, byte for byte, the published one."""
    try:
        if not path.is_file() or path.stat().st_size != published.size:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == published.sha256
    except OSError:
        return False


def find_names(
    target: Path,
    *,
    published: Publication = NAMES,
    patience: Patience = BRIEF,
    progress: Callable[[int], None] | None = None,
) -> tuple[Path, str]:
    """Return the path of the names, and a message if they were not at ``target``.

    They are downloaded to ``target`` if necessary; if that fails, the path is that of the list
    inside the package. Raises ``DownloadError`` for another file at ``target``, which may be
    somebody's own list.
    """
    if names_are_intact(target, published):
        return target, ""
    if os.path.lexists(target):
        fact = f"this is not the published file (expected SHA-256 {published.sha256})"
        advice = "name it to use it all the same, or replace it by 'makemore download'"
        raise DownloadError(_message(fact, target, advice))
    try:
        download_names(target, published=published, patience=patience, progress=progress)
    except DownloadError as error:
        note = f"using the list of 2017 inside the package instead of names.txt: {error}"
        return bundled_names(), note
    return target, f"downloaded {shown(str(target))}"


def download_names(
    target: Path,
    *,
    published: Publication = NAMES,
    patience: Patience = Patience(),
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Download names.txt, verify it, put it in place at ``target``, and return ``target``.

    Nothing is written before the SHA-256 is verified; then a missing folder is made, and the file
    appears whole (see ``replace_atomically``). ``progress`` is called with the bytes received so
    far; a new attempt starts at 0. Raises ``DownloadError`` after the last attempt, or at once
    where another would not help.
    """
    content = _fetch(published, patience, progress or (lambda received: None))
    try:
        Path(os.path.realpath(target)).parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(target) as file:
            file.write(content)
    except OSError as error:
        raise DownloadError(unwritable(target, error)) from error
    return target


class _TransientError(DownloadError):
    """Another attempt may succeed, ``wait`` seconds from now at the earliest."""

    def __init__(self, fact: str, url: str, wait: float = 0.0) -> None:
        super().__init__(_message(fact, url, "try again later"))
        self.wait = wait


def _fetch(published: Publication, patience: Patience, progress: Callable[[int], None]) -> bytes:
    """Return the verified bytes, after as many attempts as ``patience`` allows."""
    deadline = time.monotonic() + patience.answer
    for attempt in range(patience.attempts - 1):
        try:
            return _attempt(published, patience, deadline, progress)
        except _TransientError as error:
            wait = max(patience.pause * 2**attempt, error.wait)
            if wait > deadline - time.monotonic():
                raise
        time.sleep(wait)
    return _attempt(published, patience, deadline, progress)


def _attempt(
    published: Publication, patience: Patience, deadline: float, progress: Callable[[int], None]
) -> bytes:
    """Return the verified bytes; the file must start to arrive before ``deadline``."""
    started = time.monotonic()
    end = started + patience.total
    deadline = min(deadline, end)
    arrived: SimpleQueue[bytes | Exception | None] = SimpleQueue()

    def receive() -> None:
        """Queue the pieces of the file and None, or the exception that ended them."""
        try:
            for piece in _pieces(published, patience):
                arrived.put(piece)
                if time.monotonic() > end:
                    return
            arrived.put(None)
        except Exception as error:  # raised where it is waited for
            arrived.put(error)

    threading.Thread(target=receive, daemon=True).start()
    content = bytearray()
    try:
        while (item := arrived.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
            if isinstance(item, Exception):
                raise item
            deadline = end
            content += item
            progress(len(content))
    except Empty:
        seconds = deadline - started
        fact = f"only {len(content):,} of {published.size:,} bytes came in {seconds:.1f} seconds"
        raise _TransientError(fact, published.url) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != published.sha256:
        expected = f"{published.size:,} bytes with SHA-256 {published.sha256}"
        fact = f"expected {expected}, found {len(content):,} with {digest}"
        raise _wrong(fact, published.url)
    return bytes(content)


def _pieces(published: Publication, patience: Patience) -> Iterator[bytes]:
    """Yield an empty piece once the file starts to arrive, then the file."""
    import requests
    from urllib3.exceptions import HTTPError

    timeout = (patience.connect, patience.read)
    try:
        with requests.Session() as session:
            del session.adapters["http://"]  # nothing but https, wherever redirects lead
            session.max_redirects = _MAX_REDIRECTS
            session.hooks["response"].append(_close_redirect)
            session.headers["Accept-Encoding"] = "identity"
            with session.get(published.url, timeout=timeout, stream=True) as response:
                _check_response(response, published.size)
                yield b""
                yield from _body(response, published.size)
    except (OSError, ValueError, HTTPError) as error:
        raise _explained(error, published.url) from error


def _body(response: "requests.Response", size: int) -> Iterator[bytes]:
    """Yield the body in pieces. Raises ``DownloadError`` where it is cut, or is too long."""
    received = 0
    # Raw: nothing is decompressed, and http.client bounds the lines between chunks.
    while piece := response.raw.read(min(_PIECE, size + 1 - received), decode_content=False):
        received += len(piece)
        if received > size:
            raise _wrong(f"expected {size:,} bytes, found more", response.url)
        yield piece
    if received < size and "Transfer-Encoding" not in response.headers:
        fact = f"the connection ended after {received:,} of {size:,} bytes"
        raise _TransientError(fact, response.url)


def _close_redirect(response: "requests.Response", **_: object) -> None:
    """Close a redirect before requests reads its body, which may never end."""
    if response.is_redirect:
        response.close()


def _check_response(response: "requests.Response", size: int) -> None:
    """Raise ``DownloadError`` unless a body of ``size`` bytes is announced, or of unknown size."""
    from urllib3 import Retry
    from urllib3.exceptions import HTTPError

    fact = f"expected HTTP status 200, found {response.status_code}"
    if response.status_code in _TRANSIENT_STATUSES:
        try:
            wait = Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
        except (HTTPError, ValueError, OverflowError):
            wait = 0.0
        raise _TransientError(fact, response.url, wait)
    if response.status_code != 200:
        raise _wrong(fact, response.url)
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != size:
        raise _wrong(f"expected {size:,} bytes, found {int(length):,}", response.url)


def _explained(error: Exception, url: str) -> DownloadError:
    """Return the error that says what went wrong, and whether another attempt may succeed.

    requests and urllib3 wrap what the system said, so the cause is looked for inside.
    """
    from http.client import HTTPException
    from ssl import SSLCertVerificationError, SSLError

    transient = (ConnectionError, TimeoutError, SSLError, HTTPException)
    cause: BaseException = error
    while not isinstance(cause, transient) and (inner := cause.__cause__ or cause.__context__):
        cause = inner
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    fact = f"the download failed ({reason})"
    advice = "check the network and the address, which must be https"
    if isinstance(cause, SSLCertVerificationError):
        advice = "check the clock, or name your network's certificates in REQUESTS_CA_BUNDLE"
    elif isinstance(cause, transient):
        return _TransientError(fact, url)
    return DownloadError(_message(fact, url, advice))


def _wrong(fact: str, url: str) -> DownloadError:
    advice = "perhaps a login page or a proxy answered: look at the address in a browser"
    return DownloadError(_message(f"this is not the published file: {fact}", url, advice))


def _message(fact: str, place: object, advice: str) -> str:
    """Return the message on one line; what a server may have put into it is bounded."""
    return shown(f"{fact[:300]}: {str(place)[:300]}; {advice}")
