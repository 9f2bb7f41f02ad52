"""Files that a user wrote, as settings; mistakes in them, as errors that a user can act on."""

import difflib
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from compute_aligned.files.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]

SEE_README = "config/README.md explains every key"
# what pydantic says in the words of Python
MESSAGES = {
    "dict_type": "expected a block of keys and values",
    "model_type": "expected a block of keys and values",
    "model_attributes_type": "expected a block of keys and values",
    "tuple_type": "expected a list, such as [0, 1]",
}

# --- files ----------------------------------------------------------------------------------


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's loader, but a key given twice is an error, and 3e-3 a number as in YAML 1.2."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for i, key in enumerate(keys):
            if key.value in {earlier.value for earlier in keys[:i]}:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)


_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file.

    Raises:
        InputError: The file is missing, no UTF-8, no YAML, or not a block of keys and values.

    """
    try:
        content = yaml.load(read_text(path), _StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(
            where, f"not valid YAML: {problem}", "mend this line or the one above"
        ) from None
    if not isinstance(content, dict):
        raise InputError(path, "it holds no keys and values", SEE_README)
    return content


def read_sheet(path: Path, model: type[Model]) -> list[tuple[int, Model]]:
    """The rows of a tab-separated sheet, each with its line number.

    The first line names the columns: the model's fields, all of them, in any order. There are no
    quotes: a cell is what stands between two tabs. Empty lines are passed over.

    Raises:
        InputError: The file is missing or has no rows, a row has too few or too many cells, or a
            cell is not what its column may hold.

    """
    header, *lines = read_text(path).split("\n")
    columns = header.split("\t")
    _check_columns(columns, list(model.model_fields), f"{path}:1")
    rows = []
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t")
        if len(cells) == len(columns):
            content = dict(zip(columns, cells, strict=True))
            rows.append((number, validated(model, content, f"{path}:{number}")))
        elif line.strip():
            raise InputError(
                f"{path}:{number}",
                f"expected {len(columns)} cells, found {len(cells)}",
                f"give it one cell a column, separated by single tabs: {', '.join(columns)}",
            )
    if not rows:
        raise InputError(path, "the sheet has no rows", f"add some; {SEE_README}")
    return rows


def _check_columns(columns: list[str], expected: list[str], where: str) -> None:
    unknown = [name for name in columns if name not in expected]
    missing = [name for name in expected if name not in columns]
    if unknown:
        problem = f"there is no column {unknown[0]!r}{near(unknown[0], missing)}"
    elif missing:
        problem = f"column {missing[0]!r} is missing"
    elif len(columns) > len(expected):
        problem = "a column is there twice"
    else:
        return
    remedy = f"name the columns in the first line, separated by tabs: {', '.join(expected)}"
    raise InputError(where, problem, remedy)


def read_text(path: Path) -> str:
    """The text of a file, without the byte-order mark that some editors put first.

    Its lines end in a line feed, whatever they end in on disk.

    Raises:
        InputError: The file is missing, or no UTF-8.

    """
    text = "".join(line for _, line in read_lines(path))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file, each with its ``file:line``, without a byte-order mark.

    Only a line feed ends a line: strings in JSON may hold U+2028 and its like.

    Raises:
        InputError: The file is missing, or no UTF-8.

    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(path, "the file is missing", "restore it, or check the path") from None
    with file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            try:
                yield where, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise InputError(where, "not UTF-8 text", "save the file as UTF-8") from None


# --- settings -------------------------------------------------------------------------------


def validated(
    model: type[Model], content: Mapping[str, Any], where: object, remedy: str = SEE_README
) -> Model:
    """Build a model from what a file says.

    Args:
        model: The settings or record to build.
        content: Keys and values as read.
        where: The file, or the file and line, for the error.
        remedy: What helps with a value that is not allowed.

    Raises:
        InputError: The first thing that is wrong, with its key; unknown keys come before others,
            since a misspelt key is a missing one too.

    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        details = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        key = _key(details[0]["loc"], content, details[0]["type"] == "missing")
        problem, way_out = _explain(details[0], key, model, remedy)
        raise InputError(where, problem + more, way_out) from None


def _explain(detail: Any, key: str, model: type[BaseModel], remedy: str) -> tuple[str, str]:
    """What is wrong, and what to do about it, from one error of pydantic."""
    kind, name = detail["type"], str(detail["loc"][-1] if detail["loc"] else "")
    if kind == "extra_forbidden":
        known = _keys_at(model, detail["loc"][:-1])
        if name in known:
            return f"key {key!r} does not go with the others of its block", f"remove it; {remedy}"
        keys = f"the keys here are {', '.join(known)}"
        return f"unknown key {key!r}{near(name, known)}", f"remove or rename it; {keys}"
    if kind == "missing":
        return f"key {key!r} is missing", f"add it; {remedy}"
    message = MESSAGES.get(kind, detail["msg"].removeprefix("Value error, "))
    plain = isinstance(detail["input"], str | int | float | None)
    value = f", not {reprlib.repr(detail['input'])}" if plain and kind != "value_error" else ""
    return f"{key}: {message}{value}" if key else f"{message}{value}", remedy


def _key(place: Place, content: Any, missing: bool) -> str:
    """The dotted key of an error's place, without what pydantic puts in that is no key."""
    parts = []
    for part in place:
        try:
            content = content[part]
        except (LookupError, TypeError):
            continue
        parts.append(str(part))
    return ".".join([*parts, str(place[-1])] if missing else parts)


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that a block may have; of all its kinds, where there is a choice."""
    blocks = [model]
    for part in place:
        fields = [block.model_fields[part] for block in blocks if part in block.model_fields]
        blocks = [m for field in fields for m in _models_in(field.annotation)] or blocks
    return sorted({name for block in blocks for name in block.model_fields})


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def near(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that a misspelt one is closest to, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
