"""Symbolic equality of answers by math-verify, safe under threads and bounded in time."""

import contextlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
import threading
from functools import lru_cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from compute_aligned.files.errors import InputError
from compute_aligned.score.answer_rule import scalars_match

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 120.0
"""Wall-clock bound on a start and on a verdict, for where the CPU limit fails to end the child."""


class SymbolicMatch:
    """Equality by math-verify, in a child process that a CPU limit can end.

    math-verify's own time-outs are signals, which work in a main thread only. Here the kernel ends
    the child at its limit, even inside compiled code and after its parent, and a busy machine does
    not change verdicts. The next comparison starts it again. Threads may share it; they take turns.

    The paper's equality implies this one and alone decides between two scalars. math-verify treats
    gold answer and prediction differently; here either order suffices, so that one symmetric
    relation serves correctness and votes.

    Args:
        cpu_seconds: Limit on reading one text and on comparing two. Texts that exceed it are not
            equal, which is logged as a warning.
    """

    def __init__(self, cpu_seconds: float = 5.0) -> None:
        self._cpu_seconds = cpu_seconds
        self._lock = threading.Lock()
        self._child: tuple[subprocess.Popen[bytes], Connection] | None = None
        self._verdict = lru_cache(maxsize=2**16)(self._ask)

    def __call__(self, first: str, second: str) -> bool:
        """Compare two normalised texts.

        Raises:
            InputError: math-verify is not installed.
            RuntimeError: The child process cannot start.
        """
        as_scalars = scalars_match(first, second)
        if as_scalars is not None:
            return as_scalars
        # Each text is read alone first: one that cannot be is then refused once, not in each pair.
        return first == second or (
            self._verdict(first)
            and self._verdict(second)
            and self._verdict(*sorted((first, second)))
        )

    def _ask(self, *texts: str) -> bool:
        """Ask the child whether one text can be read, or whether two are equal."""
        verdict: bool | None = None
        with self._lock:
            if self._child is None:
                self._child = self._start()
            process, connection = self._child
            try:
                connection.send(texts)
                if connection.poll(_PATIENCE_SECONDS):
                    verdict = connection.recv()
            except (EOFError, OSError):
                pass  # the child is gone
            finally:
                # Also on an interrupt: a late verdict must not answer the next question.
                if verdict is None:
                    self._child = None
                    connection.close()
                    process.kill()
                    process.wait()
        if verdict is None:
            logger.warning(
                "no symbolic verdict in %g CPU seconds, so taken as not equal: %s",
                self._cpu_seconds,
                " and ".join(f"{text!r:.200}" for text in texts),
            )
        return bool(verdict)

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        if importlib.util.find_spec("math_verify") is None:
            raise InputError(
                "grader: symbolic",
                "the package math-verify is not installed",
                "install it, or use the grader paper",
            )
        connection, theirs = Pipe()
        call = f"_serve({theirs.fileno()}, {self._cpu_seconds})"
        # Not multiprocessing.Process, which runs the main script again in the child.
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import _serve; {call}"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        with contextlib.suppress(EOFError, OSError):
            if connection.poll(_PATIENCE_SECONDS) and connection.recv():
                return process, connection
        process.kill()
        process.wait()
        raise RuntimeError("the process for symbolic comparisons did not start; see its error")


def _serve(descriptor: int, cpu_seconds: float) -> None:
    """Answer the questions of a `SymbolicMatch`, in its child process, while the parent lives."""
    import math_verify

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.getLogger(math_verify.__name__).setLevel(logging.ERROR)
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, OSError):
        connection.send(True)
        while True:
            texts = connection.recv()
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            verdict = bool(_parsed(*texts)) if len(texts) == 1 else _symbolic_match(*texts)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send(verdict)


@lru_cache(maxsize=2**12)
def _parsed(text: str) -> list[object]:
    """Read a text with math-verify: as a sympy expression, as normalised LaTeX, or both."""
    from math_verify import LatexExtractionConfig, parse

    return parse(
        rf"\boxed{{{text}}}",
        extraction_config=[LatexExtractionConfig(boxed_match_priority=0)],
        extraction_mode="first_match",
        parsing_timeout=None,
    )


def _symbolic_match(first: str, second: str) -> bool:
    from math_verify import verify

    left, right = _parsed(first), _parsed(second)
    return verify(left, right, timeout_seconds=None) or verify(right, left, timeout_seconds=None)
