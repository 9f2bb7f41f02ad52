import json
import re
from pathlib import Path

import matplotlib
import pytest
from PIL import Image
from support import jobs

from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError

STUDY = read_study("smoke")
USERS_OWN = {"font.size": 20, "axes.titleweight": "bold", "savefig.dpi": 50, "pdf.fonttype": 3}
KINDS = {"table": ("csv", "md", "tex", "html"), "figure": ("pdf", "png")}


def made(name: str, folder: Path) -> dict[str, bytes]:
    """What the verb of an item writes, by ending, and its first file's provenance."""
    output = STUDY.row(name).output
    paths = {kind: folder / f"{name}.{kind}" for kind in KINDS[output]}
    options = [part for kind, path in paths.items() for part in (f"--{kind}", path)]
    jobs.run(output, "--scale", "smoke", "--item", name, *options)
    origin = folder / f"{name}.{KINDS[output][0]}.provenance.json"
    assert sorted(folder.iterdir()) == sorted([*paths.values(), origin])
    return {kind: path.read_bytes() for kind, path in paths.items()} | {
        "origin": origin.read_bytes()
    }


@pytest.mark.parametrize(
    "name",
    ["table1", "figure_weights_sft", "figure_weights_rl", "figure_support", "figure_rao_blackwell"],
)
def test_an_analytic_item_is_made_from_nothing_the_same_whatever_the_users_settings(
    name: str, tmp_path: Path
) -> None:
    files = made(name, tmp_path / "first")

    assert all(files.values())
    origin = json.loads(files.pop("origin"))
    assert (origin["inputs"], origin["item"], origin["family"]) == ([], name, "-")
    if "pdf" not in files:
        return
    assert b"CIDFontType2" in files["pdf"]  # fonttype 42, which can be edited
    assert not re.search(rb"/Type3|CreationDate", files["pdf"])
    with Image.open(tmp_path / "first" / f"{name}.png") as image:
        assert image.size[0] == 1300  # 6.5 inches at 200 dots an inch
        assert round(image.info["dpi"][0]) == 200
    with matplotlib.rc_context(USERS_OWN):
        again = made(name, tmp_path / "second")
    assert {kind: again[kind] for kind in files} == files


def test_a_measured_item_without_outcomes_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="made from outcomes, and none are given") as caught:
        made("table2", tmp_path)
    assert caught.value.where == "table2"
