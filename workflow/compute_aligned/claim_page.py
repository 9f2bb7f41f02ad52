"""Verdicts as a page of the report: at a glance which claims held, then everything that says so."""

from collections.abc import Sequence

from compute_aligned import claim_tables, grids, pages
from compute_aligned import claim_words as say
from compute_aligned.captions import count
from compute_aligned.claim_review import STATEMENTS, Reviewed
from compute_aligned.claims import Verdict
from compute_aligned.pages import Html

# what stands between these comments is the first page of the report too (workflow.rst)
GLANCE = Html("<!-- at a glance -->")
# verdicts in the order that a reader wants them in: colours of the badge, and how a count reads
VERDICTS = {
    str(Verdict.REPRODUCED): ("#0b6ea8", "{} reproduced"),
    str(Verdict.CONTRADICTED): ("#b45309", "{} contradicted"),
    str(Verdict.NOT_SHOWN): ("#6b7280", "{} not shown either way"),
    say.BY_ALGEBRA: ("#374151", "{} true by algebra"),
    str(Verdict.NOT_RUN): ("#9ca3af", "{} not run at this scale"),
}


def to_html(reviewed: Sequence[Reviewed], scale: str) -> str:
    """The page: the verdicts at a glance, then what ``claim_tables.to_markdown`` has."""
    lead = Html(f"{GLANCE}\n{glance(reviewed, scale)}\n{GLANCE}")
    sheet = claim_tables.sheet(reviewed, scale)
    return grids.to_html(sheet, claim_tables.to_tidy(reviewed), lead)


def glance(reviewed: Sequence[Reviewed], scale: str) -> Html:
    """How many claims have which verdict, then a row a claim, those of one verdict together."""
    order = list(VERDICTS)
    ranked = sorted(reviewed, key=lambda claim: order.index(say.verdict_words(claim)))
    header = ("Verdict", "Claim of the paper", "Effect in this run", "Rival explanations")
    rows = [[_badge(claim), _statement(claim), _effect(claim), _rivals(claim)] for claim in ranked]
    table = pages.table([*map(pages.escape, header)], rows, words=len(header))
    return Html(f"<p><strong>{pages.escape(tally(reviewed, scale))}</strong></p>\n{table}")


def tally(reviewed: Sequence[Reviewed], scale: str) -> str:
    """How many claims have which verdict, and how many of those stand a correction for many."""
    verdicts = [say.verdict_words(claim) for claim in reviewed]
    counts = [
        words.format(verdicts.count(verdict))
        for verdict, (_, words) in VERDICTS.items()
        if verdict in verdicts
    ]
    text = f"Of {count(len(reviewed), 'claim')} of the paper at scale {scale}: {', '.join(counts)}."
    stated = [
        claim
        for claim in reviewed
        if claim.conclusion is not None and claim.conclusion.verdict in STATEMENTS
    ]
    if not stated:
        return text
    clear = sum(claim.clear for claim in stated)
    return (
        f"{text} Of the {count(len(stated), 'verdict')} for or against a claim, {clear} "
        f"{'stays' if clear == 1 else 'stay'} clear after Holm's correction for judging so many."
    )


def _badge(claim: Reviewed) -> Html:
    verdict = say.verdict_words(claim)
    colour, _ = VERDICTS[verdict]
    # styled here and not in the page's head: the first page of the report has another
    look = f"background:{colour};color:white;border-radius:.7em;padding:.1em .6em"
    return Html(f'<span style="{look};white-space:nowrap">{pages.escape(verdict)}</span>')


def _statement(claim: Reviewed) -> Html:
    return Html(f"<b>{pages.escape(claim.row.claim)}</b> {pages.escape(claim.row.statement)}")


def _effect(claim: Reviewed) -> Html:
    """The effect that the verdict hangs on, and what it is the effect of."""
    if claim.deciding is None:
        return pages.lines(
            pages.escape(f"{say.contrast_name(row)}: {claim_tables.ratio_words(found)}")
            for row, found in claim.measured
        )
    effect = pages.escape(say.effect_words(claim.deciding))
    name = pages.escape(say.contrast_name(claim.deciding.row))
    return pages.lines([effect, Html(f"<small>{name}; {say.support_words(claim)}</small>")])


def _rivals(claim: Reviewed) -> Html:
    rivals = say.rival_words(claim.controls)
    return pages.lines(Html(f"<small>{pages.escape(rival)}</small>") for rival in rivals)
