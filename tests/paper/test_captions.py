import re

import pytest
from paper.paper_parts import STUDY, item_of

from compute_aligned.config.sheets import PaperItem
from compute_aligned.paper import captions, forms

ROWS = list(STUDY.items.values())


@pytest.mark.parametrize("row", [row for row in ROWS if row.analytic], ids=lambda row: row.item)
def test_a_caption_of_an_analytic_item_says_that_nothing_was_sampled(row: PaperItem) -> None:
    shows = forms.form_of(row).shows

    assert captions.of_analytic(row).startswith(f"{shows} Computed from the strategies alone")


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if not row.analytic and not row.of_cells],
    ids=lambda row: row.item,
)
def test_a_caption_says_what_is_shown_and_from_which_samples(row: PaperItem) -> None:
    item = STUDY.item(row.item)
    text = captions.of_item(item, (3, 4))

    form = forms.form_of(row)
    assert text.startswith(form.shows.partition("{")[0])
    assert not re.search(r"[{}]", text)
    settings = item.experiment.settings
    assert f"Family {row.family} at scale laptop" in text
    assert text.endswith("; 2 seeds (3, 4).")
    assert settings.problems.source in text
    shown = ", ".join(item.experiment.labels[branch] for branch in row.branches)
    assert f" Models: {shown}. " in text
    if form.given == "steps":
        sizes = (settings.problems.train, settings.problems.for_rl)
        assert any(f"{size:,} problems for " in text for size in sizes)
    elif form.given == "temperatures":
        sweep = item.experiment.sweep
        assert f"{sweep.problems} test problems and as many validation problems" in text
        assert f"{sweep.num_samples} samples of each by every model" in text
    else:
        noun = "test problem" if settings.problems.test == 1 else "test problems"
        assert f"{settings.problems.test:,} {noun} " in text
        assert f"{settings.sampling.num_samples:,} samples of each" in text


def test_training_of_both_kinds_counts_the_problems_of_each() -> None:
    item = item_of("table_activity_sft_to_rl")
    problems = item.experiment.settings.problems

    text = captions.of_item(item, (0,))

    assert f"{problems.train:,} problems for fine-tuning and {problems.for_rl:,} problems" in text
    assert text.endswith("1 seed (0).")


def test_metric_and_baseline_are_named_as_readers_see_them() -> None:
    text = captions.of_item(item_of("figure8_gains"), (0, 1))

    assert text.startswith("Gain in expected max@k over Standard RL against k")


def test_the_caption_of_the_verdicts_names_every_family_with_its_samples() -> None:
    families = STUDY.experiments

    text = captions.of_claims(7, [(experiment, (0, 1)) for experiment in families.values()])

    assert text.startswith("Verdicts on 7 claims of the paper")
    assert [family for family in families if f"Family {family} at scale laptop: " not in text] == []
    assert text.count("; 2 seeds (0, 1).") == len(families)
