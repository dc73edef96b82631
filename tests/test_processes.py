"""The command line as a process: its exit codes, its streams, and how it ends when told to."""

import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import (
    COMMAND,
    PATIENCE,
    ended_by,
    environment,
    run,
    started,
    terminal,
    until,
)

import makemore
from makemore.checkpoint import load
from makemore.cli import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and devices as POSIX has them")

WORDS = "anna ben cara dan eden fran gina hana ian jana zoë".split()
SIGNALS = [
    (signal.SIGINT, 130, b"makemore: interrupted\n"),
    (signal.SIGTERM, 143, b"makemore: terminated\n"),
]
PRINTING = [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["train", "words.txt"],
    ["sample", "--seed", "1"],
    ["sample", "--seed", "1", "-n", "300000"],
    ["top"],
    ["score", "words.txt"],
    ["score", "words.txt", "--explain"],
    ["info"],
    ["compare", "makemore.npz"],
    ["check", "words.txt"],
    ["plot-heatmap"],
    ["plot-heatmap", "--text"],
    ["plot-loss"],
    ["plot-embeddings"],
    ["plot-embeddings", "--json"],
    ["page"],
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with words.txt and makemore.npz, which no test changes."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "words.txt").write_text("\n".join(WORDS * 3), encoding="utf-8")
    assert run("train", "words.txt", "--steps", "20", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """Return a folder of one's own with the same files."""
    for name in ("words.txt", "makemore.npz"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    return tmp_path


def notices(stderr: bytes) -> bytes:
    """Return what ``train`` says beside the words and the advice that end it."""
    endings = (b"makemore: writes ", b"makemore: a better model: ")
    lines = stderr.splitlines(keepends=True)
    assert sum(line.startswith(endings) for line in lines) == 2
    return b"".join(line for line in lines if not line.startswith(endings))


def one_line(stderr: bytes) -> str:
    text = stderr.decode()
    assert text.startswith("makemore: "), text
    assert text.count("\n") == 1, text
    return text


def digests(folder: Path) -> dict[str, str]:
    """Return what is in a folder, hidden files included."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


# ---- streams ----


def test_a_child_runs_the_package_that_is_tested(tmp_path: Path) -> None:
    """An installed package and a checkout may both exist."""
    code = "import makemore; print(makemore.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == makemore.__file__


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_device_is_one_line_and_exit_code_one(folder: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = run(*arguments, cwd=folder, stdout=full)
    assert done.returncode == 1
    assert "No space left on device (stdout)" in one_line(done.stderr)


@pytest.mark.parametrize("arguments", [["--help"], ["sample", "--seed", "1"]], ids=" ".join)
def test_a_closed_stdout_is_one_line_and_exit_code_one(folder: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=folder, stdout=None, preexec_fn=lambda: os.close(1))
    assert done.returncode == 1
    assert "stdout is closed" in one_line(done.stderr)


@pytest.mark.parametrize("code", [0, 2])
def test_without_stderr_the_exit_code_tells(folder: Path, code: int) -> None:
    arguments = ["sample", *([] if code == 0 else ["--nonsense"])]
    done = run(*arguments, cwd=folder, stderr=None, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout.count(b"\n")) == (code, 0 if code else 20)
    with open("/dev/full", "wb") as full:
        done = run(*arguments, cwd=folder, stderr=full)
    assert (done.returncode, done.stdout.count(b"\n")) == (code, 0 if code else 20)


def test_a_closed_stdin_is_one_line(folder: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "score"],
        capture_output=True,
        cwd=folder,
        env=environment(),
        preexec_fn=lambda: os.close(0),
    )
    assert done.returncode == 1
    assert "cannot read stdin" in one_line(done.stderr)


READS_STDIN = b"makemore: no corpus is named: reading words from stdin\n"


@pytest.fixture
def with_names(tmp_path: Path, names_path: Path) -> Path:
    """Return a folder whose data/names.txt is the list that is used where no corpus is named."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "names.txt").write_bytes(names_path.read_bytes())
    return tmp_path


def test_without_a_corpus_the_words_of_a_pipe_are_read(tmp_path: Path) -> None:
    done = run("train", "--holdout", "0", stdin=b"anna\nbob\n", cwd=tmp_path)
    assert done.stdout.startswith(b"corpus    stdin: 2 words, 9 symbols, 4 characters\n")
    assert (done.returncode, notices(done.stderr)) == (0, READS_STDIN)
    assert load(tmp_path / "makemore.npz").corpus.path == ""


def test_without_a_corpus_a_redirected_file_is_read_where_nobody_has_begun_it(
    with_names: Path,
) -> None:
    (with_names / "words.txt").write_text("anna\nbob\n" * 5)
    with open(with_names / "words.txt", "rb", buffering=0) as file:
        done = subprocess.run([*COMMAND, "train"], stdin=file, cwd=with_names, capture_output=True)
        assert done.stdout.startswith(b"corpus    stdin: 10 words")
        file.seek(1)  # as a shell does that reads its script, or a loop its list
        done = subprocess.run([*COMMAND, "train"], stdin=file, cwd=with_names, capture_output=True)
        assert done.stdout.startswith(b"corpus    names.txt: ")


@pytest.mark.parametrize(
    "kind", ["empty pipe", "empty file", "null", "socket", "closed", "terminal"]
)
def test_without_a_corpus_and_without_data_on_stdin_the_names_are_used(
    kind: str, with_names: Path
) -> None:
    (with_names / "empty").touch()
    pair = socket.socketpair()
    nobody, writer = os.pipe()
    os.close(writer)
    with terminal() as screen, open(with_names / "empty", "rb") as file, pair[0], pair[1]:
        places = {
            "null": subprocess.DEVNULL,
            "terminal": screen.theirs,
            "empty file": file.fileno(),
            "empty pipe": nobody,
            "socket": pair[0].fileno(),
        }
        done = subprocess.run(
            [*COMMAND, "train"],
            stdin=places.get(kind),
            preexec_fn=(lambda: os.close(0)) if kind == "closed" else None,
            cwd=with_names,
            env=environment(),
            capture_output=True,
            timeout=PATIENCE,
        )
    os.close(nobody)
    assert done.stdout.startswith(b"corpus    names.txt: ")
    assert (done.returncode, notices(done.stderr)) == (0, b"")


def test_a_silent_pipe_is_waited_for_and_that_is_said(tmp_path: Path) -> None:
    theirs, ours = os.pipe()
    with started("train", "--holdout", "0", cwd=tmp_path, stdin=theirs) as process:
        os.close(theirs)
        assert process.stderr
        assert process.stdout
        assert process.stderr.readline().startswith(b"makemore: waiting for words on stdin: ")
        os.write(ours, b"anna\n")
        os.close(ours)
        assert process.stdout.readline().startswith(b"corpus    stdin: 1 word,")
        assert process.stderr.readline() == READS_STDIN


def test_waiting_for_a_silent_pipe_ends_by_ctrl_c(tmp_path: Path) -> None:
    with started("train", cwd=tmp_path) as process:
        assert process.stderr
        assert b"waiting" in process.stderr.readline()
        assert ended_by(process, signal.SIGINT) == (130, b"makemore: interrupted\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "--seed", "1", "-n", "100000000"],
        ["sample", "--seed", "1", "-n", "100000000", "--json"],
        ["top", "-n", "100000000"],
        ["score", "-"],
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_is_no_error(folder: Path, arguments: list[str]) -> None:
    (folder / "many.txt").write_text("anna\n" * 300_000)
    with (
        open(folder / "many.txt") as many,
        started(*arguments, cwd=folder, stdin=many) as process,
    ):
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_the_seed_of_words_that_are_cut_off_is_told(folder: Path) -> None:
    for stop in ("reader", "signal"):
        with started("sample", "-n", "100000000", cwd=folder) as process:
            assert process.stdout
            assert process.stderr
            first = process.stdout.readline()
            if stop == "reader":
                process.stdout.close()
                assert process.wait(PATIENCE) == 0
                told = process.stderr.read()
            else:
                code, told = ended_by(process, signal.SIGINT)
                assert code == 130
        seed = told.split()[2].decode()
        assert told.startswith(b"makemore: seed ")
        assert run("sample", "-n", "1", "--seed", seed, cwd=folder).stdout == first


def test_a_reader_that_never_came_is_no_error(folder: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    for arguments in (["--help"], ["info"]):
        done = run(*arguments, cwd=folder, stdout=theirs)
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(theirs)


@pytest.mark.parametrize("locale", ["C", "POSIX", "nowhere"])
def test_accents_do_not_depend_on_the_locale(folder: Path, locale: str) -> None:
    variables = {"LC_ALL": locale}
    done = run("train", "naïve.txt", cwd=folder, variables=variables)
    assert "naïve.txt" in one_line(done.stderr)
    variables |= {"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = run("top", "--contains", "z", "-n", "1", cwd=folder, variables=variables)
    assert "ë" in done.stdout.decode()


# ---- failures ----


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["sample", "-n", "-1"], 2),
        (["sample", "--seed", "-1"], 2),
        (["sample", "--temperature", "-1"], 2),
        (["sample", "--temperature", "nan"], 2),
        (["sample", "--temperature", "inf"], 2),
        (["sample", "--top-k", "0"], 2),
        (["sample", "--top-p", "nan"], 2),
        (["sample", "--max-length", "0"], 2),
        (["sample", "--max-length", "-3"], 2),
        (["sample", "--max-length", "99999999999999999999"], 2),
        (["sample", "--min-length", "9", "--max-length", "2", "--seed", "1"], 1),
        (["sample", "--nmuber", "3"], 2),
        (["smaple"], 2),
        (["sample", "extra"], 2),
        (["sample", "-c"], 2),
        (["top", "-n", "-1"], 2),
        (["train", "words.txt", "--learning-rate", "nan"], 2),
        (["train", "words.txt", "--learning-rate", "0"], 2),
        (["train", "words.txt", "--learning-rate", "1e30"], 1),
        (["train", "words.txt", "--learning-rate", "1e308"], 1),
        (["train", "words.txt", "--l2", "nan"], 2),
        (["train", "words.txt", "--l2", "-1"], 2),
        (["train", "words.txt", "--model", "ngram", "--order", "99"], 2),
        (["train", "words.txt", "--method", "counts", "--smoothing", "1e308"], 2),
        (["train", "words.txt", "--seed", "-1"], 2),
        (["train", "words.txt", "--seed", str(1 << 128)], 2),
        (["train", "words.txt", "--steps", "0"], 2),
        (["train", "words.txt", "--holdout", "nan"], 2),
        (["train", "words.txt", "--jobs", "0"], 2),
        (["train", "words.txt", "--encoding", "nosuch"], 2),
        (["train", "words.txt", "-c", "/nowhere/x.npz"], 1),
        (["train", "."], 1),
        (["train", "nowhere.txt"], 1),
        (["info", "-c", "."], 1),
        (["info", "-c", "words.txt"], 1),
        (["info", "-c", "/dev/zero"], 1),
        (["compare"], 2),
        (["score", "--fpr", "0"], 2),
        (["plot-heatmap", "-o", "/nowhere/x.png"], 1),
        (["page", "-o", "/nowhere/x.html"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_failure_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    """In this process, which is quicker; the tests around this one show that it is the same."""
    monkeypatch.chdir(folder)
    before = digests(folder)
    done = CliRunner().invoke(main, arguments)
    assert isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code, done.stdout) == (code, "")
    one_line(done.stderr_bytes)
    assert digests(folder) == before


def test_failures_of_a_process_are_one_line_too(folder: Path) -> None:
    for arguments, code in ((["info", "-c", "words.txt"], 1), (["sample", "-n", "-1"], 2)):
        done = run(*arguments, cwd=folder)
        assert (done.returncode, done.stdout) == (code, b"")
        one_line(done.stderr)


def test_without_a_command_the_help_is_on_stderr(folder: Path) -> None:
    done = run(cwd=folder)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"Usage: ")


def test_without_a_network_the_bundled_list_is_learnt_and_that_is_said(folder: Path) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9"}
    (folder / "makemore.npz").unlink()
    done = run("train", "--steps", "2", cwd=folder, variables=nowhere)
    assert done.returncode == 0
    assert "list of 2017 inside the package" in one_line(notices(done.stderr))


def test_a_mistyped_name_is_answered_by_the_right_one(folder: Path) -> None:
    assert "'sample'" in one_line(run("smaple", cwd=folder).stderr)
    assert "'--steps'" in one_line(run("train", "--stpes", "3", cwd=folder).stderr)


def test_no_memory_is_one_line(folder: Path) -> None:
    """A thousand megabytes are enough to start, and not for the table of 6,000 symbols."""
    text = "\n".join(chr(0x4E00 + i) for i in range(6000))
    (folder / "wide.txt").write_text(text, encoding="utf-8")
    limit = 1000 << 20
    done = run(
        *("train", "wide.txt", "--model", "bigram", "--holdout", "0"),
        cwd=folder,
        variables={"OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == 1
    assert "not enough memory" in done.stderr.decode().splitlines()[-1]


@pytest.mark.parametrize(
    ("processors", "chosen", "threads"),
    [(1, None, "1"), (2, None, "1"), (9, None, "4"), (9, "7", "7")],
)
def test_matrix_products_take_half_of_the_processors(
    processors: int, chosen: str | None, threads: str
) -> None:
    code = (
        f"import os, sys; os.cpu_count = lambda: {processors}\n"
        "sys.argv = ['makemore', '--version']\n"
        "from makemore.__main__ import main\n"
        "try: main()\n"
        "finally: print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    variables = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    variables |= {"OPENBLAS_NUM_THREADS": chosen} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == threads, done.stderr


# ---- signals ----


Start = Callable[[Path], Iterator[subprocess.Popen[bytes]]]


def downloading(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        variables = environment(HTTPS_PROXY=proxy, https_proxy=proxy)
        with started("download", "-o", "new.txt", cwd=folder, env=variables) as process:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(7) == b"CONNECT"
                yield process


def counting_a_slow_pipe(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    with started("train", "-", *options, cwd=folder) as process:
        assert process.stdin
        process.stdin.write(b"emma\n" * 100_000)  # more than a pipe holds, so it is being read
        process.stdin.flush()
        yield process


def spooling_a_slow_pipe(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    yield from counting_a_slow_pipe(folder, "--min-count", "2")


def seconds_of(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def training(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["train", "words.txt", "--steps", "1000000000"]
    with started(*arguments, cwd=folder) as process:
        # nothing tells that it trains, and to start takes a fifth of that
        until(lambda: seconds_of(process) > 0.7)
        yield process


def training_a_network(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with started(*ENDLESS_NETWORK, cwd=folder) as process:
        until(lambda: seconds_of(process) > 1.0)
        yield process


ENDLESS_NETWORK = "train words.txt --model gru --steps 100000000 --hidden-size 64".split()


def sampling(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with started("sample", "-n", "100000000", "--seed", "1", cwd=folder) as process:
        assert process.stdout
        process.stdout.readline()
        yield process  # and nobody reads on: it waits for room in the pipe


def sampling_to_a_file(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    before = set(folder.iterdir())
    arguments = ["sample", "-n", "1000000000", "--seed", "1", "-o", "out.txt"]
    with started(*arguments, cwd=folder) as process:
        until(lambda: set(folder.iterdir()) - before)
        yield process


@pytest.mark.parametrize(
    "busy",
    [
        downloading,
        counting_a_slow_pipe,
        spooling_a_slow_pipe,
        training,
        training_a_network,
        sampling,
        sampling_to_a_file,
    ],
    ids=lambda busy: busy.__name__,
)
@pytest.mark.parametrize(("signum", "code", "line"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_within_a_second_and_leaves_nothing(
    folder: Path, busy: Start, signum: signal.Signals, code: int, line: bytes
) -> None:
    before = digests(folder)
    for process in busy(folder):
        found, told = ended_by(process, signum)
        *words, last = told.splitlines(keepends=True)
        assert (found, last) == (code, line)
        assert all(line.startswith(b"makemore: writes ") for line in words)  # now and then
    assert digests(folder) == before


def test_a_second_signal_does_not_disturb_the_end(folder: Path) -> None:
    before = digests(folder)
    for process in sampling_to_a_file(folder):
        stops = [signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT]
        assert ended_by(process, *stops) == (130, b"makemore: interrupted\n")
    assert digests(folder) == before


def test_a_signal_in_a_callback_whose_errors_python_ignores_ends_the_process() -> None:
    program = (
        "import signal, sys, time, weakref\n"
        "from makemore.cli import main\n"
        "import click\n"
        "def wait(ctx):\n"
        "    ignores = type('Ignores', (), {})()\n"
        "    lost = weakref.ref(ignores, lambda _: signal.raise_signal(signal.SIGINT))\n"
        "    del ignores\n"
        "    time.sleep(60)\n"
        "click.Command.invoke = lambda command, ctx: wait(ctx)\n"
        "main(['train'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (130, b"makemore: interrupted\n")


@pytest.mark.parametrize("milliseconds", [0, 10, 40, 80, 120, 180, 250])
def test_a_signal_at_any_moment_of_the_start_is_one_line(folder: Path, milliseconds: int) -> None:
    program = (
        "import signal, makemore.__main__ as m\n"
        "real, missing = signal.signal, [2]\n"
        "def told(*args):\n"
        "    before = real(*args)\n"
        "    missing[0] -= 1\n"
        "    if missing[0] == 0:\n"
        "        print('up', flush=True)\n"
        "    return before\n"
        "signal.signal = told\n"
        "m.main()\n"
    )  # "up" comes when main has set its two handlers, the first thing that it does
    before = digests(folder)
    with subprocess.Popen(
        [sys.executable, "-c", program, "train", "-", "-c", "makemore.npz"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=folder,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        time.sleep(milliseconds / 1000)
        assert ended_by(process, signal.SIGINT) == (130, b"makemore: interrupted\n")
    assert digests(folder) == before


def test_a_signal_that_is_ignored_from_outside_stays_ignored(folder: Path) -> None:
    """As nohup and a shell's & want it."""
    with started(
        *("sample", "-n", "3000000", "--seed", "1"),
        cwd=folder,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "arguments", [["train", "words.txt", "--steps", "100000000"], ENDLESS_NETWORK]
)
def test_keep_saves_what_was_learnt_and_exits_with_130(
    folder: Path, arguments: list[str], times: int
) -> None:
    arguments = [*arguments, "--keep"]
    with terminal() as screen:
        terminal_kind = environment(TERM="xterm")
        with started(*arguments, cwd=folder, stderr=screen.theirs, env=terminal_kind) as process:
            until(lambda: screen.shows(b"training"))
            for _ in range(times):
                process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE)
        screen.read(0.1)
        assert process.returncode == 130
        assert b"saved makemore.npz" in output
        assert b"steps, which are kept" in screen.seen
    steps = len(load(folder / "makemore.npz").training.loss_history)
    assert 20 < steps < 100_000_000
    assert {path.name for path in folder.iterdir()} == {"words.txt", "makemore.npz"}


def test_keep_with_nothing_learnt_yet_ends_like_any_other(folder: Path) -> None:
    before = digests(folder)
    for process in counting_a_slow_pipe(folder, "--keep"):
        assert ended_by(process, signal.SIGINT) == (130, b"makemore: interrupted\n")
    assert digests(folder) == before


@pytest.mark.parametrize(("signum", "code", "line"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_a_signal_while_saving_leaves_the_old_checkpoint(
    folder: Path, signum: signal.Signals, code: int, line: bytes
) -> None:
    text = "\n".join(chr(0x4E00 + i) for i in range(2000))  # 64 MB to write
    (folder / "wide.txt").write_text(text, encoding="utf-8")
    before = digests(folder)
    arguments = ["train", "wide.txt", "--method", "counts", "--holdout", "0"]
    with started(*arguments, cwd=folder) as process:
        until(lambda: any(path.suffix == ".tmp" for path in folder.iterdir()))
        found, said = ended_by(process, signum)
        assert (found, said.splitlines(keepends=True)[-1]) == (code, line)
    assert digests(folder) == before


def test_a_signal_to_all_processes_that_count_leaves_none(folder: Path) -> None:
    """As a terminal sends it, to the whole group."""
    (folder / "big.txt").write_bytes(b"emma\nava\nzo\n" * (140_000_000 // 12))
    before = {path.name for path in folder.iterdir()}
    arguments = ["train", "big.txt", "--jobs", "2"]
    with started(*arguments, cwd=folder) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: bool(children.read_text().split()))
        workers = [int(child) for child in children.read_text().split()]
        os.killpg(process.pid, signal.SIGINT)
        assert ended_by(process) == (130, b"makemore: interrupted\n")
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert {path.name for path in folder.iterdir()} == before


@pytest.mark.parametrize("arguments", [["check", "-"], ["train", "--holdout", "0"]])
def test_silence_on_a_pipe_that_does_not_block_is_not_its_end(
    folder: Path, arguments: list[str]
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)  # as some shells and runners leave it
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=reader,
        stdout=subprocess.PIPE,
        cwd=folder,
        env=environment(),
        text=True,
    )
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        time.sleep(1.2)  # longer than the first silence that is told
        for name in ("emma", "ava", "mia"):
            file.write(name + "\n")
            file.flush()
            time.sleep(0.3)
    found, _ = process.communicate()
    assert process.returncode == 0
    assert "lines       3," in found or "stdin: 3 words" in found
