"""Where the command ``makemore`` starts, and ``python -m makemore`` too.

Importing the command line takes a tenth of a second, in which Ctrl-C should not show a traceback
either. So the signals come first, and nothing else is imported before them.

NumPy reads how many threads its matrix products take as it is imported. They take half of the
processors: all threads wait for the last one at each product, so where another process needs one of
as many processors as there are threads, a step of a network takes ten times as long. On an idle
machine of two processors the second thread is worth a tenth to a quarter of a step.
"""

import os
import signal
from types import FrameType

_EXPLANATIONS = {
    signal.SIGINT: b"makemore: interrupted\n",
    signal.SIGTERM: b"makemore: terminated\n",
}


def main() -> None:
    """Run the command line and end the process."""
    for signum in _EXPLANATIONS:
        if signal.getsignal(signum) is not signal.SIG_IGN:  # what nohup and "&" ask for
            signal.signal(signum, _end)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    from makemore.cli import main as run

    run()


def _end(signum: int, frame: FrameType | None) -> None:
    """End at once: nothing is half done before the command line runs, or after it."""
    try:
        os.write(2, _EXPLANATIONS[signal.Signals(signum)])
    finally:
        os._exit(128 + signum)


if __name__ == "__main__":
    main()
