import inspect
from dataclasses import replace

import pytest
from paper.paper_parts import STUDY

from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.paper import forms

TAKES = {
    "strategies": ["row", "strategies"],
    "branches": ["row", "branches"],
    "summary": ["item", "summary", "reported"],
    "outcomes": ["item", "outcomes"],
    "temperatures": ["item", "sweep"],
    "scores": ["item", "scores"],
    "steps": ["item", "steps"],
    "scores_and_steps": ["item", "scores", "steps"],
    "cells": ["row", "study", "cells"],
}
KNOWN = [(output, name) for output, known in forms.FORMS.items() for name in known]


@pytest.mark.parametrize(("output", "name"), KNOWN)
def test_every_form_loads_a_function_that_takes_what_the_form_is_given(
    output: str, name: str
) -> None:
    form = forms.FORMS[output][name]

    assert [*inspect.signature(form.load()).parameters] == TAKES[form.given]


def test_the_sheet_has_a_row_of_every_form() -> None:
    assert {(row.output, row.form) for row in STUDY.items.values()} == set(KNOWN)


@pytest.mark.parametrize("scale", sorted(path.stem for path in CONFIG.glob("scales/*.yaml")))
def test_every_row_of_the_sheet_passes_at_every_scale(scale: str) -> None:
    forms.check(read_study(scale))


OF_ANSWERS = "from answers, and samples of family protein_unconditional give rewards"
OF_REWARDS = "from rewards, and samples of family sft_majority give answers"


@pytest.mark.parametrize(
    ("item", "form", "problem", "remedy"),
    [
        ("table2", "level", "there is no table form 'level'", "(did you mean 'levels'?)"),
        ("table1", "weight", "there is no table form 'weight'", "weights, weight_alignment, poli"),
        ("figure1", "gain", "there is no figure form 'gain'", "(did you mean 'gains'?)"),
        ("figure1", "activity", "there is no figure form 'activity'", "gains, levels, alignment"),
        ("table2", "weights", "the form weights goes with - as family", ""),
        ("table1", "levels", "the form levels does not go with - as family", ""),
        ("table2", "activity", "the form activity goes with - as metric and budgets", ""),
        ("figure5", "levels", "the form levels does not go with - as metric and budgets", ""),
        ("figure5", "temperatures", "the form temperatures does not go with - as metric", ""),
        ("figure5", "mechanism", OF_ANSWERS, "another form or another family"),
        ("regime_map", "levels", "the form levels does not go with - as metric and budgets", ""),
        ("regime_map", "activity", "the form activity does not go with * as family", "a family "),
        ("figure_map_c1", "gains", "the form gains does not go with sft_passn/* as family", ""),
        ("table_activity_sft_passn", "map", "the form map does not go with sft_passn as", "* for"),
        ("figure_map_activity", "map", "the form map does not go with - as metric and budgets", ""),
        ("figure_majority_mechanism", "share_densities", OF_REWARDS, "another form or another f"),
    ],
)
def test_a_row_that_does_not_go_with_its_form_is_refused(
    item: str, form: str, problem: str, remedy: str
) -> None:
    row = STUDY.row(item).model_copy(update={"form": form})
    with pytest.raises(InputError) as caught:
        forms.check(replace(STUDY, items={item: row}))

    assert caught.value.where.endswith(f"paper_items.tsv: {item}")
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
