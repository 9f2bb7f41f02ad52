import re

import pytest

from compute_aligned.config import claims, study
from compute_aligned.paper import (
    activity,
    analytic_figures,
    analytic_tables,
    answer_figures,
    answer_tables,
    captions,
    figures,
    matrix_figures,
    matrix_tables,
    protein_figures,
    protein_tables,
    tables,
)

MAKERS = {
    "table": (tables, analytic_tables, answer_tables, protein_tables, activity, matrix_tables),
    "figure": (figures, analytic_figures, answer_figures, protein_figures, matrix_figures),
}
ITEMS = list(study.read_paper_items().values())


def test_every_form_has_a_caption_and_every_caption_a_form() -> None:
    forms = {(output, form) for output, of in MAKERS.items() for made in of for form in made.FORMS}

    assert set(captions.SHOWS) == forms


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.item)
def test_a_caption_says_what_is_shown_and_from_which_samples(item: study.PaperItem) -> None:
    text = captions.of_item(item, "laptop", (3, 4))

    shows = captions.SHOWS[item.output, item.form].partition("{")[0]
    assert text.startswith(shows)
    assert not re.search(r"[{}]", text)
    if item.analytic:
        assert "from the strategies alone" in text
        return
    family = study.read_family("laptop", item.family)
    assert f"Family {item.family} at scale laptop" in text
    assert text.endswith("; 2 seeds (3, 4).")
    assert family.problems.source in text
    for branch in item.branches:
        assert study.labels_of(item.family)[branch] in text
    if item.of_training:
        sizes = (family.problems.train, family.problems.for_rl)
        assert any(f"{size:,} problems for " in text for size in sizes)
    else:
        noun = "test problem" if family.problems.test == 1 else "test problems"
        assert f"{family.problems.test:,} {noun} " in text
        assert f"{family.sampling.num_samples:,} samples of each" in text


def test_training_of_both_kinds_counts_the_problems_of_each() -> None:
    item = study.read_paper_item("table_activity_sft_to_rl")
    problems = study.read_family("laptop", "sft_to_rl").problems

    text = captions.of_item(item, "laptop", (0,))

    assert f"{problems.train:,} problems for fine-tuning and {problems.for_rl:,} problems" in text
    assert text.endswith("1 seed (0).")


def test_metric_and_baseline_are_named_as_readers_see_them() -> None:
    text = captions.of_item(study.read_paper_item("figure8_gains"), "laptop", (0, 1))

    assert text.startswith("Gain in expected max@k over Standard RL against k")


def test_a_form_of_somebody_else_is_described_by_the_title() -> None:
    item = study.read_paper_item("figure1").model_copy(update={"form": "stars", "title": "Stars"})

    assert captions.of_item(item, "laptop", (0,)).startswith("Stars. Models: ")


def test_the_caption_of_the_verdicts_names_every_family_with_its_samples() -> None:
    families = claims.families_at("laptop")

    text = captions.of_claims("laptop", dict.fromkeys(families, (0, 1)))

    assert f"{len(claims.read_claims())} claims" in text
    assert [family for family in families if f"Family {family} at scale laptop" not in text] == []
