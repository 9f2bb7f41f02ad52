"""From a mistake that pydantic finds to an error that a user can act on."""

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from compute_aligned.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], content: dict[str, Any], where: object) -> Model:
    """Build a model from what a file says.

    Args:
        model: The settings or record to build.
        content: Keys and values as read.
        where: The file, or the file and line, for the error.

    Raises:
        InputError: The first thing that is wrong, with its key.

    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _input_error(error, model, where) from None


def _input_error(error: ValidationError, model: type[BaseModel], where: object) -> InputError:
    """The first problem of a validation, as one line with a remedy."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    remedy = "config/README.md explains every key"
    if first["type"] == "extra_forbidden":
        known = _keys_of(model)
        remedy = f"remove or rename it{near(str(first['loc'][-1]), known)}; {remedy}"
        return InputError(where, f"unknown key {key!r}{more}", remedy)
    if first["type"] == "missing":
        return InputError(where, f"key {key!r} is missing{more}", f"add it; {remedy}")
    message = first["msg"].removeprefix("Value error, ")
    value = "" if first["type"] == "value_error" else f", not {first['input']!r}"
    return InputError(where, f"{key or 'the file'}: {message}{value}{more}", remedy)


def _keys_of(model: type[BaseModel]) -> list[str]:
    """Every key name that a model or a block inside it has: what a misspelt key may have meant."""
    names: set[str] = set()
    for definition in [(schema := model.model_json_schema()), *schema.get("$defs", {}).values()]:
        names |= set(definition.get("properties", {}))
    return sorted(names)


def near(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that a misspelt one is closest to, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
