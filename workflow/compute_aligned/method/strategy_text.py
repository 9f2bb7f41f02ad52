"""Strategies as text, such as ``PassAtN(n=16)``: how sheets name them."""

import ast
import contextlib
import difflib
import inspect
from typing import Any

from compute_aligned.files.errors import InputError
from compute_aligned.method import budget_mixtures  # noqa: F401 - its strategies become known
from compute_aligned.method.strategies import Strategy, known_strategies


def parse_strategy(text: str) -> Strategy:
    """The strategy whose repr is given, such as ``MajorityVote(n=16, k=4)``.

    Args:
        text: The name of a known strategy, with literal keyword arguments. Nothing is evaluated.

    Raises:
        InputError: If the text is no such call, the name is unknown, or the arguments do not fit.
    """
    name, arguments = _read_call(text)
    known = known_strategies()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise InputError(
            text, f"no strategy is named {name}", f"{hint}known strategies: {', '.join(known)}"
        )
    signature = inspect.signature(known[name])
    try:
        signature.bind(**arguments)
    except TypeError as error:
        fields = ", ".join(f"{field}=..." for field in signature.parameters)
        raise InputError(text, str(error), f"write it as {name}({fields})") from error
    return known[name](**arguments)


def _read_call(text: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a call that has literal keyword arguments and nothing else in it."""
    with contextlib.suppress(SyntaxError, ValueError):
        match ast.parse(text.strip(), mode="eval").body:
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
                arguments = {str(item.arg): ast.literal_eval(item.value) for item in keywords}
                if len(arguments) == len(keywords):  # Python's grammar lets a name come twice
                    return name, arguments
    raise InputError(
        text,
        "a strategy is a name with literal keyword arguments, each given once; this is not",
        "write it as PassAtN(n=16), MajorityVote(n=16, k=4) or SingleSample()",
    )
