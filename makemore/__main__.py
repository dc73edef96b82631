"""The entry point of the command ``makemore`` and of ``python -m makemore``.

Ctrl-C must not show a traceback while the command line is imported either, so signal handlers are
installed before anything else is imported.

NumPy reads the number of threads of its matrix products when it is imported. It is set to half of
the processors. With a thread for each, another process that takes one processor makes a step of a
network ten times as slow, because at each product all threads wait for the last one. On an idle
machine of two processors the second thread would save a tenth to a quarter of a step.
"""

import gc
import os
import signal
from types import FrameType

FEW_COLLECTIONS = 50_000
"""The number of new objects after which cycles among them are looked for.

The start of a command makes as many, and none of them is garbage: with Python's 700 the search
takes a thirtieth of a short command.
"""

_EXPLANATIONS = {
    signal.SIGINT: b"makemore: interrupted\n",
    signal.SIGTERM: b"makemore: terminated\n",
}


def main() -> None:
    """Run the command line and end the process."""
    for signum in _EXPLANATIONS:
        if signal.getsignal(signum) is not signal.SIG_IGN:  # which nohup and "&" set
            signal.signal(signum, _end)
    gc.set_threshold(FEW_COLLECTIONS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    from makemore.cli import main as run

    run()


def _end(signum: int, frame: FrameType | None) -> None:
    """End at once: before and after the command line runs, there is nothing to clean up."""
    try:
        os.write(2, _EXPLANATIONS[signal.Signals(signum)])
    finally:
        os._exit(128 + signum)


if __name__ == "__main__":
    main()
