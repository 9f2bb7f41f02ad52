from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near, read_sheet, read_yaml, validated


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Engine(Strict):
    cylinders: int
    fuel: str = "petrol"


class Car(Strict):
    name: str
    engine: Engine
    spare: dict[str, Engine] = {}
    wheels: tuple[int, ...] = ()


class Wheel(Strict):
    size: int
    maker: str


def error_of(content: dict) -> InputError:
    with pytest.raises(InputError) as caught:
        validated(Car, content, "car.yaml")
    return caught.value


# --- validated ------------------------------------------------------------------------------


def test_a_right_value_is_built() -> None:
    car = validated(Car, {"name": "a", "engine": {"cylinders": 4}, "wheels": [1, 2]}, "car.yaml")

    assert car == Car(name="a", engine=Engine(cylinders=4), wheels=(1, 2))


def test_a_misspelt_key_is_named_with_its_path_and_the_near_key_of_the_same_block() -> None:
    error = error_of({"name": "a", "engine": {"cilinders": 4}})

    assert error.where == "car.yaml"
    # the key that is missing because of the misspelling is the second problem, not the first
    assert (
        error.problem == "unknown key 'engine.cilinders' (did you mean 'cylinders'?) (and 1 more)"
    )
    assert error.remedy == "remove or rename it; the keys here are cylinders, fuel"


def test_a_misspelt_key_inside_a_named_block_gets_the_keys_of_that_block() -> None:
    error = error_of({"name": "a", "engine": {"cylinders": 4}, "spare": {"x": {"fule": "gas"}}})

    assert "unknown key 'spare.x.fule' (did you mean 'fuel'?)" in error.problem


def test_a_key_of_another_block_is_not_suggested_where_it_does_not_belong() -> None:
    error = error_of({"name": "a", "engine": {"cylinders": 4}, "fuel": "gas"})

    assert error.problem == "unknown key 'fuel'"
    assert error.remedy.endswith("the keys here are engine, name, spare, wheels")


def test_a_missing_key_is_named_with_its_path() -> None:
    assert error_of({"name": "a", "engine": {}}).problem == "key 'engine.cylinders' is missing"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"engine": {"cylinders": "four"}}, "engine.cylinders: Input should be a valid integer"),
        ({"engine": None}, "engine: expected a block of keys and values, not None"),
        ({"engine": [1]}, "engine: expected a block of keys and values"),
        ({"wheels": 3}, "wheels: expected a list, such as [0, 1], not 3"),
        ({"wheels": [1, "x"]}, "wheels.1: Input should be a valid integer"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_shown(content: dict, problem: str) -> None:
    error = error_of({"name": "a", "engine": {"cylinders": 4}} | content)

    assert problem in error.problem


@given(st.text(min_size=200, max_size=5000))
def test_a_long_wrong_value_does_not_fill_the_screen(value: str) -> None:
    error = error_of({"name": "a", "engine": {"cylinders": "x" + value}})

    assert len(str(error)) < 400


def test_near_gives_the_closest_word_or_nothing() -> None:
    assert near("sacle", ["scale", "seeds"]) == " (did you mean 'scale'?)"
    assert near("xyz", ["scale", "seeds"]) == ""


# --- YAML -----------------------------------------------------------------------------------


def yaml_error(path: Path, text: str | bytes) -> InputError:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 1\nb: {c: 1, d: 2, c: 3}\n", 2, "the key 'c' is there twice"),
        ("seeds: [0]\nscale: x\nseeds: [1]\n", 3, "the key 'seeds' is there twice"),
        (b"a: 1\nb: \xe9\n", 2, "not UTF-8 text"),
    ],
)
def test_broken_yaml_is_named_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, problem: str
) -> None:
    error = yaml_error(tmp_path / "a.yaml", text)

    assert error.where == f"{tmp_path / 'a.yaml'}:{line}"
    assert problem in error.problem
    assert len(str(error).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "- 1\n- 2\n", "word\n"])
def test_yaml_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    assert yaml_error(tmp_path / "a.yaml", text).problem == "it holds no keys and values"


def test_a_control_character_in_yaml_is_one_line_of_error(tmp_path: Path) -> None:
    error = yaml_error(tmp_path / "a.yaml", "a: \x01\n")

    assert error.problem.startswith("not valid YAML: ")
    assert "\n" not in error.problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.yaml: the file is missing\n  remedy: "):
        read_yaml(tmp_path / "no.yaml")


def test_numbers_are_read_as_yaml_1_2_has_them(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("{a: 3e-3, b: 1E5, c: -2.5e+1, d: 3, e: e3, f: 1e, g: 3.0e-3, h: '3e-3'}")

    assert read_yaml(path) == {
        "a": 0.003,
        "b": 1e5,
        "c": -25.0,
        "d": 3,
        "e": "e3",
        "f": "1e",
        "g": 0.003,
        "h": "3e-3",
    }


def test_merged_yaml_blocks_are_no_keys_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &base {x: 1, y: 2}\nb: {<<: *base, x: 3}\n")

    assert read_yaml(path)["b"] == {"x": 3, "y": 2}


# --- sheets ---------------------------------------------------------------------------------


def sheet_error(path: Path, text: str) -> InputError:
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_sheet(path, Wheel)
    return caught.value


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_rows_come_with_their_line_numbers(tmp_path: Path, start: str, end: str) -> None:
    path = tmp_path / "a.tsv"
    lines = ["maker\tsize", "a b, c\t15", "", '"d\t16', ""]
    path.write_bytes((start + end.join(lines)).encode())

    assert read_sheet(path, Wheel) == [
        (2, Wheel(size=15, maker="a b, c")),
        (4, Wheel(size=16, maker='"d')),
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("size\tmaker\n1\ta\n2\n", 3, "expected 2 cells, found 1"),
        ("size\tmaker\n1\ta\tb\n", 2, "expected 2 cells, found 3"),
        ("size\tmaker\n1    a\n", 2, "expected 2 cells, found 1"),
        ("size maker\n1 a\n", 1, "there is no column 'size maker'"),
        ("size\tmakre\n1\ta\n", 1, "there is no column 'makre' (did you mean 'maker'?)"),
        ("size\n1\n", 1, "column 'maker' is missing"),
        ("size\tmaker\tsize\n1\ta\t2\n", 1, "a column is there twice"),
        ("size\tmaker\n1\ta\nx\tb\n", 3, "size: Input should be a valid integer"),
    ],
)
def test_a_wrong_sheet_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    error = sheet_error(tmp_path / "a.tsv", text)

    assert error.where == f"{tmp_path / 'a.tsv'}:{line}"
    assert problem in error.problem


def test_errors_in_the_shape_of_a_sheet_say_what_the_columns_are(tmp_path: Path) -> None:
    for text in ("size maker\n1 a\n", "size\tmaker\n1 a\n"):
        assert sheet_error(tmp_path / "a.tsv", text).remedy.endswith("tabs: size, maker")


def test_a_sheet_without_rows_is_refused(tmp_path: Path) -> None:
    assert sheet_error(tmp_path / "a.tsv", "size\tmaker\n\n").problem == "the sheet has no rows"
    assert "there is no column ''" in sheet_error(tmp_path / "a.tsv", "").problem


def test_a_missing_sheet_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the file is missing"):
        read_sheet(tmp_path / "no.tsv", Wheel)
