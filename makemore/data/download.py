"""names.txt: fetched over https, verified, and put in place; or the list inside the package.

The file is small, so it is held in memory until its size and SHA-256 are verified: only then is
anything written. Each attempt receives on a thread of its own while the caller waits on a queue,
since nothing within a thread bounds a look-up of the host's name, nor headers that come a byte at a
time. When time is up the caller stops waiting; the thread, a daemon, ends with its connection.

Left out: resuming, caches and mirrors. Nothing is ever decompressed.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal
from urllib.parse import urljoin, urlsplit

from makemore.errors import DownloadError, shown, unwritable
from makemore.files import replace_atomically

if TYPE_CHECKING:
    import requests

NAMES_URL = "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt"
NAMES_BYTES = 228_145
NAMES_SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"

_MOST_REDIRECTS = 5
_PIECE = 4096  # bytes: small enough to show progress and to notice soon that nobody waits any more
_PASSING_STATUSES = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Publication:
    """A file as its publisher has it: ``size`` in bytes, ``sha256`` in lower-case hexadecimal."""

    url: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    Attributes
    ----------
    connect, read : float
        Of each attempt: for the connection, and for each silence after that. Their sum is how long
        it may take, look-up of the host's name and redirects included, until the file is coming.
    total : float
        Of each attempt, from its start to its last byte, however it drips.
    answer : float
        Of all attempts and pauses together, until the file is coming. It bounds the wait where
        there is no network, and leaves a slow one the time that ``total`` gives.
    attempts : int
        How often to try when the fault may pass.
    pause : float
        After the first attempt; doubled after each further one.
    longest_pause : float
        A server that asks for more than this (Retry-After) is not asked again.
    """

    connect: float = 5.0
    read: float = 10.0
    total: float = 60.0
    answer: float = 90.0
    attempts: int = 4
    pause: float = 0.5
    longest_pause: float = 30.0


@dataclass(frozen=True)
class FoundNames:
    """Where a list of names was found.

    Attributes
    ----------
    path : Path
    source : {"cached", "downloaded", "bundled"}
        Downloaded before, downloaded just now, or the list inside the package.
    reason : str
        Why it is not the one before it in that order, on one line; empty for "cached".
    """

    path: Path
    source: Literal["cached", "downloaded", "bundled"]
    reason: str


NAMES = Publication(NAMES_URL, NAMES_BYTES, NAMES_SHA256)
PATIENT = Patience()
# A second less than the five in which `train` answers on a machine without network.
BRIEF = replace(PATIENT, answer=4.0)


def bundled_names() -> Path:
    """Return the path of us-names-2017.txt, the list inside the package.

    It lies beside this module: the package is never run from an archive, since NumPy cannot be.
    """
    path = Path(__file__).with_name("us-names-2017.txt")
    if not path.is_file():
        fact = "the list inside the package is missing"
        raise DownloadError(_line(fact, path, "reinstall makemore-numpy"))
    return path


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
) -> FoundNames:
    """Return the names at ``target``, downloaded if need be, or else the list inside the package.

    Without a network the answer takes at most ``patience.answer`` seconds. Raises ``DownloadError``
    for a file at ``target`` that is not the published one: it may be somebody's own list.
    """
    if names_are_intact(target, published):
        return FoundNames(target, "cached", "")
    if os.path.lexists(target):
        fact = f"this is not the published file (expected SHA-256 {published.sha256})"
        advice = "name it to use it all the same, or replace it by 'makemore download'"
        raise DownloadError(_line(fact, target, advice))
    try:
        download_names(target, published=published, patience=patience, progress=progress)
    except DownloadError as error:
        return FoundNames(bundled_names(), "bundled", str(error))
    return FoundNames(target, "downloaded", shown(f"{target} was not there"))


def download_names(
    target: Path,
    *,
    published: Publication = NAMES,
    patience: Patience = PATIENT,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Download names.txt, verify it, put it in place at ``target``, and return ``target``.

    Nothing is written before size and SHA-256 are verified; then the folder is made if it is
    missing, and the file appears whole (see ``replace_atomically``). Downloads at once are safe.

    Parameters
    ----------
    target : Path
        A symlink is followed.
    published : Publication
        Its address must be https, and so must each that it redirects to.
    patience : Patience
    progress : callable, optional
        Called in the caller's thread with the bytes received so far; a new attempt starts at 0.

    Raises
    ------
    DownloadError
        After the last attempt, or at once when trying again would not help.
    """
    content = _fetch(published, patience, progress or (lambda received: None))
    try:
        Path(os.path.realpath(target)).parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(target) as file:
            file.write(content)
    except OSError as error:
        raise DownloadError(unwritable(target, error)) from error
    return target


class _PassingFaultError(DownloadError):
    """Another attempt may go well, ``wait`` seconds from now at the earliest."""

    def __init__(self, fact: str, url: str, wait: float = 0.0) -> None:
        super().__init__(_line(fact, url, "try again later"))
        self.wait = wait


def _fetch(published: Publication, patience: Patience, progress: Callable[[int], None]) -> bytes:
    """Return the verified bytes, after as many attempts as ``patience`` allows."""
    give_up = time.monotonic() + patience.answer
    attempt = 1
    while True:
        try:
            return _verified(_attempt(published, patience, give_up, progress), published)
        except _PassingFaultError as fault:
            wait = max(patience.pause * 2 ** (attempt - 1), fault.wait)
            too_long = wait > patience.longest_pause or time.monotonic() + wait > give_up
            if too_long or attempt >= patience.attempts:
                raise
        time.sleep(wait)
        attempt += 1


def _verified(content: bytes, published: Publication) -> bytes:
    """Return ``content`` if it is the published file."""
    if len(content) != published.size:
        expected, found = f"{published.size:,} bytes", f"{len(content):,}"
    elif (digest := hashlib.sha256(content).hexdigest()) != published.sha256:
        expected, found = f"SHA-256 {published.sha256}", digest
    else:
        return content
    raise _wrong(f"expected {expected}, found {found}", published.url)


def _attempt(
    published: Publication, patience: Patience, give_up: float, progress: Callable[[int], None]
) -> bytes:
    """Return what one request brings; leave it when its time is up, whatever it is doing."""
    started = time.monotonic()
    limit = min(started + patience.connect + patience.read, give_up)
    arrived: SimpleQueue[bytes | Exception | None] = SimpleQueue()
    left = threading.Event()
    arguments = (published, patience, arrived, left)
    threading.Thread(target=_receive, args=arguments, daemon=True).start()
    content = bytearray()
    try:
        while (item := arrived.get(timeout=max(0.0, limit - time.monotonic()))) is not None:
            if isinstance(item, Exception):
                raise item
            limit = started + patience.total
            content += item
            progress(len(content))
    except Empty:
        seconds = limit - started
        fact = f"only {len(content):,} of {published.size:,} bytes came in {seconds:.1f} seconds"
        raise _PassingFaultError(fact, published.url) from None
    finally:
        left.set()
    return bytes(content)


def _receive(
    published: Publication,
    patience: Patience,
    arrived: "SimpleQueue[bytes | Exception | None]",
    left: threading.Event,
) -> None:
    """Put the pieces of the file into ``arrived``, then None; or the exception that ended it."""
    from urllib3.exceptions import HTTPError

    try:
        with closing(_pieces(published, patience)) as pieces:
            for piece in pieces:
                arrived.put(piece)
                if left.is_set():
                    return
        arrived.put(None)
    except (OSError, ValueError, HTTPError) as error:
        fault = _network_fault(error, published.url)
        fault.__cause__ = error
        arrived.put(fault)
    except Exception as error:  # a DownloadError or a defect: raised where it is waited for
        arrived.put(error)


def _pieces(published: Publication, patience: Patience) -> Generator[bytes, None, None]:
    """Yield an empty piece once the file is coming, then all of it, unless it is too long."""
    import requests

    with requests.Session() as session, _answer(session, published.url, patience) as response:
        _check_answer(response, published.size)
        yield b""
        room = published.size + 1  # the one byte more tells a file that is too long
        # As the bytes are sent: what is not decompressed cannot inflate.
        while room and (piece := response.raw.read(min(room, _PIECE), decode_content=False)):
            room -= len(piece)
            yield piece
        if room == 0:
            raise _wrong(f"expected {published.size:,} bytes, found more", response.url)
        received = published.size + 1 - room
        length = response.headers.get("Content-Length", str(published.size))
        if "Transfer-Encoding" not in response.headers and length != str(received):
            fact = f"the connection ended after {received} of {length} bytes"
            raise _PassingFaultError(fact, response.url)


def _answer(session: "requests.Session", url: str, patience: Patience) -> "requests.Response":
    """Return the first answer that is no redirect, its body unread; every hop is https."""
    import requests

    for _ in range(_MOST_REDIRECTS + 1):
        if urlsplit(url).scheme != "https":
            raise DownloadError(_line("not an https address", url, "only https is fetched"))
        request = requests.Request("GET", url, headers={"Accept-Encoding": "identity"})
        settings = session.merge_environment_settings(url, {}, True, None, None)
        # By the adapter, for the session itself reads a redirect's body to its end, if it has one.
        response = session.get_adapter(url).send(
            session.prepare_request(request),
            timeout=(patience.connect, patience.read),
            stream=True,
            verify=settings["verify"] or True,
            cert=settings["cert"],
            proxies=settings["proxies"],
        )
        if not response.is_redirect:
            return response
        response.close()
        url = urljoin(url, response.headers["Location"])
    fact = f"more than {_MOST_REDIRECTS} redirects"
    raise DownloadError(_line(fact, url, "look at the address in a browser"))


def _check_answer(response: "requests.Response", size: int) -> None:
    """Raise unless a body of at most ``size`` bytes is coming, whole and as it is."""
    status = response.status_code
    length = response.headers.get("Content-Length", "")
    coding = response.headers.get("Content-Encoding", "identity")
    if status in _PASSING_STATUSES:
        wait = _retry_after(response.headers.get("Retry-After", ""))
        raise _PassingFaultError(f"expected HTTP status 200, found {status}", response.url, wait)
    if status != 200:
        raise _wrong(f"expected HTTP status 200, found {status}", response.url)
    if coding.lower() != "identity":
        raise _wrong(f"expected the file as it is, found it encoded ({coding})", response.url)
    if length.isdecimal() and int(length) > size:
        raise _wrong(f"expected {size:,} bytes, found {int(length):,}", response.url)


def _retry_after(value: str) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or as a date."""
    from email.utils import parsedate_to_datetime

    if value.isdecimal():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0


def _network_fault(error: Exception, url: str) -> DownloadError:
    """Say what broke the connection, and whether it may pass.

    requests and urllib3 each wrap what the system said, so that is looked for further inside.
    """
    from http.client import HTTPException
    from socket import gaierror
    from ssl import SSLCertVerificationError, SSLError

    passing = (ConnectionError, TimeoutError, SSLError, HTTPException)
    cause: BaseException = error
    while not isinstance(cause, (gaierror, *passing)):
        inner = cause.__cause__ or cause.__context__
        if inner is None:
            break
        cause = inner
    detail = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    fact, advice = "cannot connect", "check the address and the network"
    if isinstance(cause, gaierror):
        fact, advice = "the host was not found", "check the network, then try again"
    elif isinstance(cause, SSLCertVerificationError):
        detail = cause.verify_message
        fact = "the server's certificate cannot be trusted"
        advice = "check the clock, or name your network's certificates in REQUESTS_CA_BUNDLE"
    elif isinstance(cause, passing):
        return _PassingFaultError(f"the connection broke ({detail})", url)
    return DownloadError(_line(f"{fact} ({detail})", url, advice))


def _wrong(fact: str, url: str) -> DownloadError:
    advice = "perhaps a login page or a proxy answered: look at the address in a browser"
    return DownloadError(_line(f"this is not the published file: {fact}", url, advice))


def _line(fact: str, place: object, advice: str) -> str:
    """Return the message; what a server may have put in is bounded, each part of it."""
    return shown(f"{fact[:300]}: {str(place)[:300]}; {advice}")
