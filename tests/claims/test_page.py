from dataclasses import replace

from support.claim_parts import reviewed
from support.html_cells import tables_of

from compute_aligned.claims import words
from compute_aligned.claims.page import GLANCE, VERDICTS, glance, tally, to_html
from compute_aligned.claims.tables import sheet
from compute_aligned.method.verdicts import Verdict


def test_the_page_opens_with_how_many_claims_have_which_verdict() -> None:
    page = to_html(reviewed(), "laptop", sheet(reviewed(), "laptop", []))

    assert tally(reviewed(), "laptop") == (
        "Of 3 claims of the paper at scale laptop (3 seeds): 1 reproduced (C1a), "
        "1 true by algebra (C11), 1 not run at this scale (C5a)."
    )
    assert page.index("<h1>") < page.index("Of 3 claims") < page.index("<h2>Verdicts</h2>")
    # what the report shows first is between the two marks
    _, first, _ = page.split(GLANCE)
    assert first.strip() == glance(reviewed(), "laptop")


def test_a_verdict_that_many_claims_could_give_by_chance_has_a_star() -> None:
    first, *others = reviewed()
    unclear = [replace(first, p_holm=0.2), *others]

    assert not unclear[0].clear
    assert "1 reproduced (C1a*)" in tally(unclear, "laptop")
    assert tally(unclear, "laptop").endswith(
        "Those with * are not clear after Holm's correction for judging so many."
    )
    (rows,) = tables_of(glance(unclear, "laptop"))
    assert [row[0] for row in rows[1:]] == [
        "reproduced*\nbelow Warm-up",
        "not run",
        "holds by algebra",
    ]


def test_at_a_glance_the_claims_stand_in_their_order_beside_the_papers_effects() -> None:
    (rows,) = tables_of(glance(reviewed(), "laptop"))

    effects = ("Effect in this run", "Effect in the paper")
    assert rows == [
        ["Verdict", "Claim of the paper", *effects, "Could something else explain it?"],
        [
            "reproduced\nbelow Warm-up",
            "C1a Votes help",
            "+2.5 [0.5, 4.5] points\nPass@4 − Cross-entropy, pass@64; 3 of 3 hold",
            "+4.0 ±6.0",
            "explains it in 1 of 2 contrasts: less over-fitting",
        ],
        [
            *("not run", "C5a Votes help"),
            *("–\nBest-of-2 − 4, expected max@1; 0 of 1 hold", "+3.97", ""),
        ],
        [
            *("holds by algebra", "C11 Votes help"),
            "Cross-entropy, rho at n = 8: median 1.10, mean 1.24 [1.20, 1.30], undefined for 25%",
            *("–", ""),
        ],
    ]


def test_every_verdict_has_a_badge_and_a_place() -> None:
    assert set(VERDICTS) == {*map(str, Verdict), words.BY_ALGEBRA}
