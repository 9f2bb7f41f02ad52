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


CAR = {"name": "a", "engine": {"cylinders": 4}}

# --- validated ------------------------------------------------------------------------------


def test_a_right_value_is_built():
    car = validated(Car, CAR | {"wheels": [1, 2]}, "car.yaml")
    assert car == Car(name="a", engine=Engine(cylinders=4), wheels=(1, 2))


@pytest.mark.parametrize(
    ("content", "problem", "remedy"),
    [
        (  # the key that is missing because of the misspelling is the second problem
            {"engine": {"cilinders": 4}},
            "unknown key 'engine.cilinders' (did you mean 'cylinders'?) (and 1 more)",
            "remove or rename it; the keys here are cylinders, fuel",
        ),
        (
            {"spare": {"x": {"cylinders": 4, "fule": "gas"}}},
            "unknown key 'spare.x.fule' (did you mean 'fuel'?)",
            "remove or rename it; the keys here are cylinders, fuel",
        ),
        (  # a key of another block is not suggested
            {"fuel": "gas"},
            "unknown key 'fuel'",
            "remove or rename it; the keys here are engine, name, spare, wheels",
        ),
        ({"engine": {}}, "key 'engine.cylinders' is missing", "add it"),
        (
            {"engine": {"cylinders": "four"}},
            "engine.cylinders: Input should be a valid integer",
            "",
        ),
        ({"engine": None}, "engine: expected a block of keys and values, not None", ""),
        ({"engine": [1]}, "engine: expected a block of keys and values", ""),
        ({"wheels": 3}, "wheels: expected a list, such as [0, 1], not 3", ""),
        ({"wheels": [1, "x"]}, "wheels.1: Input should be a valid integer", ""),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_path_and_the_way_out(
    refused, content, problem, remedy
):
    error = refused("car.yaml", validated, Car, CAR | content, "car.yaml")
    assert error.problem.startswith(problem)
    assert error.problem == problem or not problem.startswith(("unknown key", "key"))
    assert error.remedy.startswith(remedy)


@given(st.text(min_size=200, max_size=5000))
def test_a_long_wrong_value_does_not_fill_the_screen(value):
    with pytest.raises(InputError) as caught:
        validated(Car, CAR | {"engine": {"cylinders": "x" + value}}, "car.yaml")
    assert len(str(caught.value)) < 400


def test_near_gives_the_closest_word_or_nothing():
    assert near("sacle", ["scale", "seeds"]) == " (did you mean 'scale'?)"
    assert near("xyz", ["scale", "seeds"]) == ""


# --- files ----------------------------------------------------------------------------------

TABS = "separated by tabs: size, maker"
ONE_CELL = "separated by single tabs: size, maker"


@pytest.mark.parametrize(
    ("text", "line", "problem", "remedy"),
    [
        # YAML
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not valid YAML: expected ',' or ']'", ""),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML", ""),
        ("a: \x01\n", None, "not valid YAML: ", ""),
        ("a: 1\nb: {c: 1, d: 2, c: 3}\n", 2, "not valid YAML: the key 'c' is there twice", ""),
        ("seeds: [0]\nscale: x\nseeds: [1]\n", 3, "not valid YAML: the key 'seeds' is", ""),
        (b"a: 1\nb: \xe9\n", 2, "not UTF-8 text", ""),
        *[
            (text, None, "it holds no keys and values", "")
            for text in ("", "# nothing\n", "- 1\n- 2\n", "word\n")
        ],
        # sheets
        ("size\tmaker\n1\ta\n2\n", 3, "expected 2 cells, found 1", ONE_CELL),
        ("size\tmaker\n1\ta\tb\n", 2, "expected 2 cells, found 3", ONE_CELL),
        ("size\tmaker\n1    a\n", 2, "expected 2 cells, found 1", ONE_CELL),
        ("size maker\n1 a\n", 1, "there is no column 'size maker'", TABS),
        ("size\tmakre\n1\ta\n", 1, "there is no column 'makre' (did you mean 'maker'?)", TABS),
        ("size\n1\n", 1, "column 'maker' is missing", TABS),
        ("size\tmaker\tsize\n1\ta\t2\n", 1, "a column is there twice", TABS),
        ("size\tmaker\n1\ta\nx\tb\n", 3, "size: Input should be a valid integer", ""),
        ("size\tmaker\n\n", None, "the sheet has no rows", ""),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, refused, text, line, problem, remedy):
    path = tmp_path / "a"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    is_sheet = text[:4] == "size"
    read = (read_sheet, path, Wheel) if is_sheet else (read_yaml, path)
    error = refused(f"{path}:{line}" if line else path, *read)
    assert error.problem.startswith(problem)
    assert error.remedy.endswith(remedy)


def test_missing_files_and_an_empty_sheet_are_named(tmp_path, refused):
    path = tmp_path / "no"
    for read in ((read_yaml, path), (read_sheet, path, Wheel)):
        error = refused(path, *read)
        assert (error.problem, error.remedy[:10]) == ("the file is missing", "restore it")
    path.touch()
    assert "there is no column ''" in refused(f"{path}:1", read_sheet, path, Wheel).problem


def test_numbers_are_read_as_yaml_1_2_has_them_and_merged_blocks_give_no_key_twice(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: [3e-3, 1E5, -2.5e+1, 3, e3, 1e, 3.0e-3, '3e-3']")
    assert read_yaml(path)["a"] == [0.003, 1e5, -25.0, 3, "e3", "1e", 0.003, "3e-3"]
    path.write_text("a: &base {x: 1, y: 2}\nb: {<<: *base, x: 3}\n")
    assert read_yaml(path)["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_rows_come_with_their_line_numbers(tmp_path, start, end):
    path = tmp_path / "a.tsv"
    lines = ["maker\tsize", "a b, c\t15", "", '"d\t16', ""]
    path.write_bytes((start + end.join(lines)).encode())
    rows = [(2, Wheel(size=15, maker="a b, c")), (4, Wheel(size=16, maker='"d'))]
    assert read_sheet(path, Wheel) == rows
