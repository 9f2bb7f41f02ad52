"""Items of the paper, a small summary of a run, and how tests read the tables made from them."""

import re
from typing import Any

import numpy as np
import pandas as pd
from support.markdown_cells import tables_of

from compute_aligned.config.study import Item, read_study

STUDY = read_study("laptop")
BUDGETS = (1, 16, 64)
SHOWN = ("ce", "passn_n4", "passn_n64")
LEVELS = {  # at the budgets
    "warmup": [14.0, 40.0, 50.6],
    "ce": [16.0, 38.0, 45.9],
    "passn_n4": [15.96, 41.0, 48.0],
    "passn_n64": [12.0, 44.0, 59.1],
}


def item_of(name: str, **changes: Any) -> Item:
    """An item of the sheet, some cells of its row changed."""
    row = STUDY.row(name).model_copy(update=changes)
    return Item(row, STUDY.experiment(row.family))


def summary_of(**columns: Any) -> pd.DataFrame:
    """What 3 seeds and 500 problems might give; each interval is from 2 below to 3 above."""
    frame = pd.DataFrame(LEVELS, index=pd.Index(BUDGETS, name="k"))
    frame = frame.melt(var_name="branch", ignore_index=False).reset_index()
    frame["gain"] = frame["value"] - frame["k"].map(dict(zip(BUDGETS, LEVELS["ce"], strict=True)))
    for name in ("value", "gain"):
        frame = frame.assign(**{f"{name}_low": frame[name] - 2, f"{name}_high": frame[name] + 3})
    frame.loc[frame["branch"] == "ce", ["gain_low", "gain_high"]] = np.nan
    return frame.assign(**{"metric": "pass@k", "seeds": 3, "problems": 500} | columns)


def grids_of(markdown: str) -> dict[str, list[list[str]]]:
    """Heading to the rows of cells below it, the head first."""
    headings = re.findall(r"(?m)^## (.*)$", markdown)
    return dict(zip(headings, tables_of(markdown), strict=True))


def latex_rows(tex: str) -> list[list[str]]:
    """The cells of every row, with headings, after a check that the text can be set."""
    opened = re.findall(r"\\begin\{(\w+)\}", tex)
    assert opened == ["table", *["tabular"] * (len(opened) - 1)]
    assert len(re.findall(r"\\end\{", tex)) == len(opened)
    unescaped = re.sub(r"\\[{}]", "", tex)
    assert unescaped.count("{") == unescaped.count("}")
    assert len(re.findall(r"(?<!\\)\$", tex)) % 2 == 0
    # a bare per cent sign would hide the rest of its line; one comment stands at the top
    assert re.findall(r"(?m)^.*(?<!\\)%.*$", tex) == [r"% needs \usepackage{booktabs}"]
    rows = [line.removesuffix(r" \\") for line in tex.splitlines() if line.endswith(r"\\")]
    return [re.split(r" (?<!\\)& ", row) for row in rows]
