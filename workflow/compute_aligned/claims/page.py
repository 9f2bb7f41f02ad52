"""Verdicts as a page of the report: at a glance which claims held, then everything that says so."""

from collections.abc import Sequence

from compute_aligned.claims import tables
from compute_aligned.claims import words as say
from compute_aligned.claims.review import Reviewed
from compute_aligned.method.verdicts import STATEMENTS, Verdict
from compute_aligned.paper import pages, sheets
from compute_aligned.paper.captions import count
from compute_aligned.paper.pages import Html
from compute_aligned.paper.sheets import MISSING, Sheet

# what stands between these comments is the first page of the report too (workflow.rst)
GLANCE = Html("<!-- at a glance -->")
# verdicts in the order that a reader wants them in: colours of the badge, and how a count reads
VERDICTS = {
    str(Verdict.REPRODUCED): ("#0b6ea8", "{} reproduced"),
    str(Verdict.IN_PART): ("#0f766e", "{} in part"),
    str(Verdict.CONTRADICTED): ("#b45309", "{} contradicted"),
    str(Verdict.TOO_SMALL): ("#4b5563", "{} too small to see"),
    str(Verdict.NOT_SHOWN): ("#6b7280", "{} not shown either way"),
    say.BY_ALGEBRA: ("#374151", "{} true by algebra"),
    str(Verdict.NOT_TESTABLE): ("#9ca3af", "{} not testable at this scale"),
    str(Verdict.NOT_RUN): ("#9ca3af", "{} not run at this scale"),
}
MARK = "*"
EFFECTS = (
    "Effects are the first named minus the second, with their interval, in the contrast on which "
    "the verdict hangs."
)


def to_html(reviewed: Sequence[Reviewed], scale: str, sheet: Sheet) -> str:
    """The page: the verdicts at a glance, then what ``tables.sheet`` has."""
    lead = Html(f"{GLANCE}\n{glance(reviewed, scale)}\n{GLANCE}")
    return sheets.to_html(sheet, tables.to_tidy(reviewed), lead)


def glance(reviewed: Sequence[Reviewed], scale: str) -> Html:
    """Which claims have which verdict, then a row a claim, in the paper's order."""
    header = (
        "Verdict",
        "Claim of the paper",
        "Effect in this run",
        "Effect in the paper",
        "Could something else explain it?",
    )
    rows = [
        [_badge(claim), _statement(claim), _effect(claim), _paper(claim), _rivals(claim)]
        for claim in reviewed
    ]
    table = pages.table([*map(pages.escape, header)], rows, words=len(header))
    return Html(
        f"<p><strong>{pages.escape(tally(reviewed, scale))}</strong></p>\n"
        f"<p>{pages.escape(f'{tables.RULE} {EFFECTS}')}</p>\n{table}"
    )


def tally(reviewed: Sequence[Reviewed], scale: str) -> str:
    """Which claims have which verdict, and which of those do not stand a correction for many."""
    named = {
        verdict: [
            f"{claim.row.claim}{_mark(claim)}"
            for claim in reviewed
            if say.verdict_words(claim) == verdict
        ]
        for verdict in VERDICTS
    }
    parts = [
        f"{words.format(len(named[verdict]))} ({', '.join(named[verdict])})"
        for verdict, (_, words) in VERDICTS.items()
        if named[verdict]
    ]
    claims, run = count(len(reviewed), "claim"), say.scale_words(reviewed, scale)
    text = f"Of {claims} of the paper at scale {run}: {', '.join(parts)}."
    if not any(map(_mark, reviewed)):
        return text
    return f"{text} Those with {MARK} are not clear after Holm's correction for judging so many."


def _mark(claim: Reviewed) -> str:
    """A star on a verdict for or against a claim that might be the chance of many claims."""
    return MARK if claim.verdict in STATEMENTS and not claim.clear else ""


def _badge(claim: Reviewed) -> Html:
    verdict = say.verdict_words(claim)
    colour, _ = VERDICTS[verdict]
    # styled here and not in the page's head: the first page of the report has another
    look = f"background:{colour};color:white;border-radius:.7em;padding:.1em .6em"
    words = pages.escape(f"{verdict}{_mark(claim)}")
    badge = Html(f'<span style="{look};white-space:nowrap">{words}</span>')
    rivals = say.headline(claim).removeprefix(verdict).removeprefix("; ")
    return pages.lines([badge, Html(f"<small>{pages.escape(rivals)}</small>")]) if rivals else badge


def _statement(claim: Reviewed) -> Html:
    return Html(f"<b>{pages.escape(claim.row.claim)}</b> {pages.escape(claim.row.statement)}")


def _effect(claim: Reviewed) -> Html:
    """The effect that the verdict hangs on, and what it is the effect of."""
    if claim.deciding is None:
        return pages.lines(
            pages.escape(f"{each.name}: {say.ratio_words(each.found)}") for each in claim.measured
        )
    effect = pages.escape(say.effect_words(claim.deciding))
    name = pages.escape(claim.deciding.name)
    support = (say.support_words(claim), say.reason(claim), say.states_words(claim))
    notes = [text for text in support if text]
    return pages.lines([effect, Html(f"<small>{name}; {pages.escape('; '.join(notes))}</small>")])


def _paper(claim: Reviewed) -> Html:
    """The paper's own effect in the same contrast."""
    if claim.deciding is None:
        return pages.escape(MISSING)
    return pages.escape(say.paper_words(claim.deciding))


def _rivals(claim: Reviewed) -> Html:
    rivals = say.rival_words(claim.controls)
    return pages.lines(Html(f"<small>{pages.escape(rival)}</small>") for rival in rivals)
