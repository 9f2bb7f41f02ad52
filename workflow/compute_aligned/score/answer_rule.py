r"""The paper's answer rule: reading an answer from text, its normal form, equality.

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

Every function takes any string and is linear in its length.
"""

import functools
import re
import string
from decimal import Context
from fractions import Fraction

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
_PLAIN = re.compile(r"[^\\$\s]*")  # a single token that nothing is done to
_REWRITTEN = {r"\left": "", r"\right": "", r"\dfrac": r"\frac", r"\tfrac": r"\frac"}

_DECIMAL = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_SCALAR = re.compile(
    rf"(?P<sign>[+-]?)\\frac\{{(?P<top>{_DECIMAL})\}}\{{(?P<bottom>{_DECIMAL})\}}"
    rf"|(?P<value>{_DECIMAL})(?:/(?P<divisor>{_DECIMAL}))?"
)
# Samples repeat few answers, and each is compared many times: these are remembered.
_REMEMBERED = 2**12

_SHORT = 18  # digits of a whole number that is not worth more thought

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


@functools.lru_cache(_REMEMBERED)
def normalise_answer(text: str) -> str:
    r"""Bring an answer to the normal form in which answers are compared and votes are counted.

    Drops ``\left``, ``\right``, white space and outer pairs of ``$``; ``\dfrac`` and ``\tfrac``
    become ``\frac``. Idempotent.
    """
    if _PLAIN.fullmatch(text):
        return text
    rewritten = (_REWRITTEN.get(token, token) for token in _TOKEN.findall(text))
    tokens = [token for token in rewritten if token and not token[-1].isspace()]
    outer = 0
    while outer < len(tokens) // 2 and tokens[outer] == tokens[-1 - outer] == "$":
        outer += 1
    spaced = "".join(map(_end_command, tokens[outer : len(tokens) - outer]))
    return re.sub(r" (?![A-Za-z])", "", spaced)


def _end_command(token: str) -> str:
    return f"{token} " if token[0] == "\\" and token[-1] in string.ascii_letters else token


@functools.lru_cache(_REMEMBERED)
def _scalar(text: str) -> int | Fraction | None:
    """Return the value of a normalised text that is a scalar of the rule, else None."""
    if text.isascii() and text.isdecimal() and len(text) <= _SHORT:
        return int(text)
    match = _SCALAR.fullmatch(text)
    if match is None:
        return None
    numerator = _BOUNDED.create_decimal(match["top"] or match["value"])
    denominator = _BOUNDED.create_decimal(match["bottom"] or match["divisor"] or 1)
    if not (numerator.is_finite() and denominator.is_finite()) or denominator.is_zero():
        return None
    quotient = Fraction(numerator) / Fraction(denominator)
    return -quotient if match["sign"] == "-" else quotient


def scalars_match(first: str, second: str) -> bool | None:
    """Compare two normalised texts as scalars; None if one of them is not a scalar."""
    left, right = _scalar(first), _scalar(second)
    if left is None or right is None:
        return None
    if isinstance(left, int) and isinstance(right, int):  # what fractions would say, but sooner
        return left == right
    return abs(Fraction(left) - right) < _TOLERANCE


def paper_match(first: str, second: str) -> bool:
    """The paper's equality of normalised texts: scalars within the tolerance, else equal text."""
    return first == second or scalars_match(first, second) is True
