r"""Answers to mathematics problems: reading them from text, comparing them, grouping votes.

The rule is the paper's (PAPER.md section 3, "The paper's answer rule"). What it leaves open:

* **Box.** ``\boxed`` or ``\fbox``, optional white space, ``{``. Braces must balance; ``\{`` and
  ``\}`` are text and do not count. "Last" goes by where the command starts, so the last of nested
  boxes answers. ``\boxed 5`` has no braces and is not a box.
* **Number.** A scalar of the rule, whole: ``-3``, ``.5``, ``1e-3``, ``3/4``, ``\frac{3}{4}``. It
  stands alone: no letter, digit or underscore touches it (``x2``, ``3x`` and ``5cm`` hold none). A
  sign counts unless a word or a closing bracket precedes it (``5-3`` ends with ``3``). Thousands
  separators are dropped (``1,234`` is ``1234``). The authors' release reads ``3/4`` as ``4``.
* **White space** goes everywhere, as TeX ignores it in mathematics, but for one space where only
  that ends a command (``\pi r`` is not ``\pir``).
* **Scalar.** Within the range of a double, and compared exactly: ``1/0`` and ``1e999`` are text.

Every function takes any string; all but the symbolic comparison are linear in its length.
"""

import contextlib
import importlib.util
import logging
import operator
import os
import re
import signal
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context
from fractions import Fraction
from functools import lru_cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from compute_aligned.errors import InputError

logger = logging.getLogger(__name__)

Equality = Callable[[str, str], bool]
"""A reflexive, symmetric relation on normalised texts; transitive only for equality as text."""

# --- the rule: extraction, normal form, scalars ----------------------------------------------

_BOX_START = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)

_UNSIGNED = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_BRACED = rf"\s*\{{\s*[+-]?{_UNSIGNED}\s*\}}"
_NUMBER = re.compile(
    r"(?<![0-9A-Za-z_.])(?:(?<![)\]}])[+-])?"
    rf"(?:\\[dt]?frac{_BRACED}{_BRACED}|{_UNSIGNED}(?:/{_UNSIGNED})?)"
    r"(?!\.?[0-9A-Za-z_])"
)
# The look-behind admits no start inside a longer list of digits, which keeps the scan linear.
_THOUSANDS = re.compile(r"(?<![0-9A-Za-z_.,])[0-9]{1,3}(?:,[0-9]{3})++(?!,?[0-9A-Za-z_])")

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|[^A-Za-z])|\$|\s+|[^\\$\s]+|\\")
_REWRITTEN = {r"\left": "", r"\right": "", r"\dfrac": r"\frac", r"\tfrac": r"\frac"}

_DECIMAL = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_SCALAR = re.compile(
    rf"(?P<sign>[+-]?)\\frac\{{(?P<top>{_DECIMAL})\}}\{{(?P<bottom>{_DECIMAL})\}}"
    rf"|(?P<value>{_DECIMAL})(?:/(?P<divisor>{_DECIMAL}))?"
)
_TOLERANCE = Fraction(1, 10_000)
# The largest exponent of a double, and more digits than any number of that range needs at the
# tolerance: what an exact fraction costs is bounded. Without traps an overflow is an infinity.
_BOUNDED = Context(prec=400, Emin=-400, Emax=308, traps=[])


def extract_answer(text: str) -> str | None:
    r"""Read the final answer from a completion.

    The last ``\boxed{}`` or ``\fbox{}`` answers; if it is not closed or is empty there is no
    answer, whatever precedes it. Without any box the last number answers.

    Args:
        text: A completion, without its prompt.

    Returns:
        The answer as written, or None. Its normal form is never empty.
    """
    starts = [box.end() for box in _BOX_START.finditer(text)]
    if starts:
        return _braced_content(text, starts[-1])
    plain = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    numbers = _NUMBER.findall(plain)
    return numbers[-1] if numbers else None


def _braced_content(text: str, start: int) -> str | None:
    """Return what lies between ``start``, just after a brace, and the brace that closes it."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            content = text[start : brace.start()]
            return _strip(content) if normalise_answer(content) else None
    return None


def _strip(content: str) -> str:
    r"""Strip white space, but not that of a final control space (``\ ``)."""
    stripped = content.strip()
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if backslashes % 2 else stripped


def normalise_answer(text: str) -> str:
    r"""Bring an answer to the normal form in which answers are compared and votes are counted.

    Drops ``\left``, ``\right``, white space and outer pairs of ``$``; ``\dfrac`` and ``\tfrac``
    become ``\frac``. Idempotent.
    """
    rewritten = (_REWRITTEN.get(token, token) for token in _TOKEN.findall(text))
    tokens = [token for token in rewritten if token and not token[-1].isspace()]
    outer = 0
    while outer < len(tokens) // 2 and tokens[outer] == tokens[-1 - outer] == "$":
        outer += 1
    spaced = "".join(map(_end_command, tokens[outer : len(tokens) - outer]))
    return re.sub(r" (?![A-Za-z])", "", spaced)


def _end_command(token: str) -> str:
    return f"{token} " if token[0] == "\\" and token[-1] in string.ascii_letters else token


def _scalar(text: str) -> Fraction | None:
    """Return the value of a normalised text that is a scalar of the rule, else None."""
    match = _SCALAR.fullmatch(text)
    if match is None:
        return None
    numerator = _BOUNDED.create_decimal(match["top"] or match["value"])
    denominator = _BOUNDED.create_decimal(match["bottom"] or match["divisor"] or 1)
    if not (numerator.is_finite() and denominator.is_finite()) or denominator.is_zero():
        return None
    quotient = Fraction(numerator) / Fraction(denominator)
    return -quotient if match["sign"] == "-" else quotient


def _scalars_match(first: str, second: str) -> bool | None:
    """Compare two normalised texts as scalars; None if one of them is not a scalar."""
    left, right = _scalar(first), _scalar(second)
    if left is None or right is None:
        return None
    return abs(left - right) < _TOLERANCE


def _paper_match(first: str, second: str) -> bool:
    """The paper's equality of normalised texts: scalars within the tolerance, else equal text."""
    as_scalars = _scalars_match(first, second)
    return first == second if as_scalars is None else as_scalars


# --- symbolic equality -----------------------------------------------------------------------

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
        as_scalars = _scalars_match(first, second)
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


# --- graders ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grader:
    """Two relations on normalised texts.

    Attributes:
        matches: Whether a prediction is the gold answer.
        same_vote: Whether two predictions vote for the same answer.
    """

    matches: Equality
    same_vote: Equality


_SYMBOLIC_MATCH = SymbolicMatch()

GRADERS: dict[str, Grader] = {
    "paper": Grader(matches=_paper_match, same_vote=operator.eq),
    "symbolic": Grader(matches=_SYMBOLIC_MATCH, same_vote=_SYMBOLIC_MATCH),
}
"""The graders by name: the paper's rule, and equality by math-verify, which includes it."""


def _grader(name: str) -> Grader:
    if name not in GRADERS:
        raise InputError(
            "grader", f"there is no grader {name!r}", f"use one of: {', '.join(GRADERS)}"
        )
    return GRADERS[name]


def answers_match(prediction: str | None, gold: str, grader: str = "paper") -> bool:
    """Tell whether an extracted answer is the gold answer; symmetric between two texts.

    Args:
        prediction: An extracted answer; None matches nothing.
        gold: The gold answer, without a box.
        grader: A key of `GRADERS`.

    Raises:
        InputError: The grader is unknown, or its package is not installed.
    """
    matches = _grader(grader).matches
    return prediction is not None and matches(normalise_answer(prediction), normalise_answer(gold))


def group_votes(answers: Sequence[str | None], grader: str = "paper") -> list[str | None]:
    """Replace each answer by the one that stands for its group of equal answers.

    A group is represented by its first member. Symbolic equality is not transitive (``50`` and
    ``0.5`` both equal ``50%``): an answer joins the earliest group whose representative it equals.

    Args:
        answers: The m extracted answers to one problem; None stays None.
        grader: A key of `GRADERS`.

    Returns:
        m normalised texts or Nones, in the order of the answers.

    Raises:
        InputError: The grader is unknown, or its package is not installed.
    """
    same_vote = _grader(grader).same_vote
    normalised = {text: normalise_answer(text) for text in answers if text is not None}
    representatives: list[str] = []
    group: dict[str, str] = {}
    for text in dict.fromkeys(normalised.values()):
        group[text] = next((known for known in representatives if same_vote(text, known)), text)
        if group[text] == text:
            representatives.append(text)
    return [None if text is None else group[normalised[text]] for text in answers]


def grade(answers: Sequence[str | None], gold: str, grader: str = "paper") -> list[bool]:
    """Grade the answers to one problem, each by the representative of its vote (`group_votes`).

    So equal votes are equally correct, and maj@1 is the share of correct answers. Each distinct
    vote is compared with the gold answer once.

    Args:
        answers: The m extracted answers to one problem; None is not correct.
        gold: The gold answer, without a box.
        grader: A key of `GRADERS`.

    Returns:
        m verdicts, in the order of the answers.

    Raises:
        InputError: The grader is unknown, or its package is not installed.
    """
    votes = group_votes(answers, grader)
    verdicts = {vote: answers_match(vote, gold, grader) for vote in dict.fromkeys(votes)}
    return [verdicts[vote] for vote in votes]
