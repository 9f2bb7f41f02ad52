import io

import pandas as pd
import pytest
from claim_parts import reviewed

from compute_aligned.claims import words
from compute_aligned.claims.tables import COLUMNS, to_markdown, to_tidy


def cells_of(text: str, heading: str) -> list[list[str]]:
    """The table below a heading of a Markdown text, the line of dashes left out."""
    table = text.split(f"## {heading}")[1].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [rows[0], *rows[2:]]


def test_the_verdicts_come_first_and_say_what_they_hang_on() -> None:
    text = to_markdown(reviewed(), "laptop")
    columns, votes, proteins, rho = cells_of(text, "Verdicts")

    assert text.index("## Verdicts") < text.index("## C1a")
    assert columns[:2] == ["Claim", "Verdict"]
    assert votes == [
        "C1a. Votes help",
        "**reproduced**<br>3 of 3 hold<br>clear after Holm",
        "Pass@4 − Cross-entropy, pass@64",
        "explains it (1 of 2): less over-fitting",
        "+2.5 [0.5, 4.5] points",
        "+4.0 ±6.0",  # Table 2 has 63.8 and 59.8, of 500 problems
    ]
    assert proteins == [
        "C5a. Votes help",
        "**not run**<br>0 of 1 hold",
        "Best-of-2 − 4, expected max@1",
        "–",
        "–",
        "+3.97",
    ]
    assert rho[1:3] == ["**holds by algebra**", "Cross-entropy, rho at n = 8"]
    assert rho[4] == "mean 1.24 [1.20, 1.30], median 1.10, undefined for 25%"


def test_each_claim_lists_its_contrasts_and_then_what_could_overturn_it() -> None:
    text = to_markdown(reviewed(), "laptop")
    columns, *contrasts = cells_of(text, "C1a. Votes help: reproduced")
    controls = cells_of(text, "C1a. What could overturn it")[1:]

    assert columns[1:3] == ["Verdict", "Claimed"]
    assert [row[0] for row in contrasts] == [
        f"{name} − Cross-entropy, pass@64" for name in ("Pass@4", "Pass@16", "Pass@64")
    ]
    assert contrasts[0][1:] == [
        "reproduced",
        "> 0",
        "+2.5 [0.5, 4.5] points",
        "yes",
        "2.8",
        "3 × 500",
        "+4.0 ±6.0",
    ]
    assert [row[1] for row in controls] == [
        "explains it: less over-fitting",
        "ruled out: less over-fitting",
    ]


def test_the_caption_says_how_many_were_judged_and_the_note_what_one_seed_means() -> None:
    three, one = to_markdown(reviewed(), "laptop"), to_markdown(reviewed(seeds=1), "laptop")
    assert "the 1 claim judged here, or, of a contrast or control, among the 5 of those" in three
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
    first = frame.iloc[0]
    assert (first["branch"], first["against"], first["k"]) == ("passn_n4", "ce", 64)
    assert (first["effect"], first["paper_effect"]) == (2.5, pytest.approx(4.0))
    assert first["effect_low"] == pytest.approx(2.5 - 1.96, abs=1e-3)
    assert (first["verdict"], first["claim_verdict"]) == ("reproduced", "reproduced")
    absent = frame[frame["claim"] == "C5a"].iloc[0]
    assert absent["verdict"] == "not run"
    assert absent[["effect", "p", "p_holm", "detectable", "seeds"]].isna().all()
    rho = frame[frame["claim"] == "C11"].iloc[0]
    assert (rho["effect"], rho["undefined_share"], rho["median"]) == (1.24, 0.25, 1.1)


def test_a_rival_is_ruled_out_only_if_every_control_of_it_is() -> None:
    claim = reviewed()[0]
    assert words.rival_words(claim.controls[1:]) == ["ruled out: less over-fitting"]
    assert words.rival_words([]) == []
