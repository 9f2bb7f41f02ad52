import io

import numpy as np
import pandas as pd
import pytest
from support.claim_parts import ABSENT, PASSN, effect, judged, reviewed, row
from support.claim_parts import claim as claim_of
from support.html_cells import tables_of as html_tables
from support.markdown_cells import tables_of

from compute_aligned.claims import words
from compute_aligned.claims.evidence import AtTemperatures
from compute_aligned.claims.page import to_html
from compute_aligned.claims.review import Reviewed
from compute_aligned.claims.tables import COLUMNS, sheet, to_tidy
from compute_aligned.claims.verdict_tables import to_verdicts, verdict_cells
from compute_aligned.config.deviations import Deviation
from compute_aligned.paper.sheets import to_markdown

HALF = "explains more than half"
HOTTER = "Cross-entropy at its own best temperature"
OTHERWISE = [Deviation("rl.group_size", "16", "4", ("rl_passn", "rl_majority"))]


def markdown(claims: list[Reviewed]) -> str:
    return to_markdown(sheet(claims, "laptop", OTHERWISE))


def test_the_verdicts_come_first_and_say_what_they_hang_on() -> None:
    (columns, votes, proteins, rho), *_ = tables_of(markdown(reviewed()))

    assert columns == [
        *("Claim", "Verdict", "Deciding contrast", "Rival explanations", "Effect", "The paper's"),
    ]
    assert votes == [
        "C1a. Votes help",
        "**reproduced; below Warm-up**<br>3 of 3 hold<br>clear after Holm",
        "Pass@4 − Cross-entropy, pass@64",
        "explains it in 1 of 2 contrasts: less over-fitting",
        "+2.5 [0.5, 4.5] points",
        "+4.0 ±6.0",  # Table 2 has 63.8 and 59.8, of 500 problems
    ]
    assert proteins == [
        *("C5a. Votes help", "**not run**<br>0 of 1 hold", "Best-of-2 − 4, expected max@1"),
        *("–", "–", "+3.97"),
    ]
    assert rho == [
        *("C11. Votes help", "**holds by algebra**", "Cross-entropy, rho at n = 8", "–"),
        *("median 1.10, mean 1.24 [1.20, 1.30], undefined for 25%", "–"),
    ]


def test_each_claim_lists_its_contrasts_and_then_what_could_overturn_it() -> None:
    text = markdown(reviewed())
    _, deviations, (columns, *contrasts), (_, *controls), *_ = tables_of(text)

    headings = [line for line in text.splitlines() if line.startswith("## ")]
    verdict = "## C1a. Votes help: reproduced"
    assert headings[0] == "## Verdicts"
    assert headings[2:4] == [verdict, "## C1a. What could overturn it"]
    assert deviations[1:] == [["rl.group\\_size", "16", "4", "rl\\_passn, rl\\_majority"]]
    assert columns[1:3] == ["Verdict", "Claimed"]
    assert [row[0] for row in contrasts] == [
        f"{name} − Cross-entropy, pass@64" for name in ("Pass@4", "Pass@16", "Pass@64")
    ]
    first = ["reproduced", "> 0", "+2.5 [0.5, 4.5] points", "0.012", "2.8", "3 × 500", "+4.0 ±6.0"]
    assert contrasts[0][1:] == first
    assert [row[1] for row in controls] == [
        "explains it: less over-fitting",
        "ruled out: less over-fitting",
    ]


def test_the_page_has_the_tables_for_reading() -> None:
    def plain(table: list[list[str]]) -> list[list[str]]:
        texts = [
            [c.replace("**", "").replace("\\", "").replace("<br>", " ").split() for c in row]
            for row in table
        ]
        return [[" ".join(words) for words in row] for row in texts]

    shown = [
        plain(table)
        for table in html_tables(
            to_html(reviewed(), "laptop", sheet(reviewed(), "laptop", OTHERWISE))
        )
    ]
    assert shown[1:-1] == [plain(table) for table in tables_of(markdown(reviewed()))]


def test_the_caption_says_how_many_were_judged_and_the_note_what_one_seed_means() -> None:
    three, one = (markdown(reviewed(seeds)) for seeds in (3, 1))
    assert "also stands a correction for the 1 claim judged here" in three
    assert "Scale laptop (3 seeds). " in three
    assert "Scale laptop (1 seed). " in one
    assert "nothing of another training" not in three
    assert "nothing of another training" in one


def test_the_scale_is_named_with_the_seeds_that_ran() -> None:
    several = [*reviewed(seeds=5)[:1], *reviewed(seeds=3)]

    assert words.scale_words(several, "laptop") == "laptop (3 to 5 seeds)"
    assert words.scale_words(reviewed()[1:2], "laptop") == "laptop"  # nothing of it ran


def test_tidy_values_hold_this_run_and_the_paper_in_columns_of_their_own() -> None:
    frame = pd.read_csv(io.StringIO(to_tidy(reviewed())))

    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 7
    first, absent, rho = frame.iloc[[0, 5, 6]].to_dict("records")
    assert (first["branch"], first["against"], first["k"]) == ("passn_n4", "ce", 64)
    assert (first["effect"], first["paper_effect"]) == (2.5, pytest.approx(4.0))
    assert first["effect_low"] == pytest.approx(2.5 - 1.96, abs=1e-3)
    assert (first["verdict"], first["claim_verdict"]) == ("reproduced", "reproduced")
    assert (absent["claim"], absent["verdict"]) == ("C5a", "not run")
    for column in ("effect", "p", "p_holm", "detectable", "seeds"):
        assert pd.isna(absent[column])
    assert (rho["claim"], rho["effect"]) == ("C11", 1.24)
    assert (rho["undefined_share"], rho["median"]) == (0.25, 1.1)


def test_a_rival_is_ruled_out_only_if_every_control_of_it_is() -> None:
    claim = reviewed()[0]
    assert words.rival_words(claim.controls[1:]) == ["ruled out: less over-fitting"]
    assert words.rival_words([]) == []


HOT = [
    row(role="temperature", branch=branch, rival="sampled too cold")
    for branch in ("passn_n4", "passn_n64")
]


@pytest.mark.parametrize(
    ("at_best", "headline", "rival"),
    [
        ((9.0, 9.0), "reproduced", "ruled out in 2 of 2 contrasts"),
        (
            (9.0, 4.0),
            "reproduced; temperature explains more than half",
            f"{HALF} in 1 of 2 contrasts",
        ),
        ((4.0, 1.0), f"reproduced; not above {HOTTER}", "not ruled out in 1 of 2 contrasts"),
        ((1.0, 4.0), f"reproduced; not above {HOTTER}", "not ruled out in 1 of 2 contrasts"),
        ((9.0, -9.0), f"reproduced; below {HOTTER}", "explains it in 1 of 2 contrasts"),
        (None, "reproduced", "not run (no sweep) in 2 of 2 contrasts"),
    ],
)
def test_temperature_is_a_rival_as_far_as_it_explains_the_gain(
    at_best: tuple[float, float] | None, headline: str, rival: str
) -> None:
    swept = {
        each: AtTemperatures(effect(size), 10.0)
        for each, size in zip(HOT, at_best or (), strict=at_best is not None)
    }
    (claim,) = judged([claim_of(PASSN[0], *HOT)], {PASSN[0]: effect(10.0)}, swept=swept)

    assert words.headline(claim) == headline
    assert words.rival_words(claim.controls) == [f"{rival}: sampled too cold"]
    text = markdown([claim])
    assert "Pass@4 − Cross-entropy, pass@64, best temperatures" in text
    assert ("(+10.0 at the usual one)" in text) == bool(swept)
    frame = pd.read_csv(io.StringIO(to_tidy([claim])))
    assert frame["effect_at_usual_temperature"].tolist()[1:] == pytest.approx(
        [10.0, 10.0] if swept else [np.nan] * 2, nan_ok=True
    )


def test_a_row_a_claim_says_what_readers_see() -> None:
    frame = pd.read_csv(io.StringIO(to_verdicts(reviewed())), keep_default_na=False)

    assert frame["claim"].tolist() == ["C1a", "C5a", "C11"]
    first = frame.iloc[0].to_dict()
    assert first["verdict"] == "reproduced; below Warm-up; 3 of 3 hold; clear after Holm"
    assert (first["hangs_on"], first["paper"]) == ("Pass@4 − Cross-entropy, pass@64", "+4.0 ±6.0")


def test_where_seeds_can_be_in_two_states_the_verdict_names_the_item_that_counts_them() -> None:
    (found,) = judged([claim_of(ABSENT, reported="-", paper_problems="-")], {ABSENT: effect(9.0)})

    assert (
        words.states_words(found) == "seeds can be in two states, counted in table_protein_states"
    )
    assert words.states_words(found) in verdict_cells(found)["verdict"]
    assert words.states_words(found) in to_html([found], "laptop", sheet([found], "laptop", []))
    assert [words.states_words(each) for each in reviewed()] == ["", "", ""]  # one was not run
