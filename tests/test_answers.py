import importlib.util
import logging
import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compute_aligned
from compute_aligned.answers import (
    GRADERS,
    SymbolicMatch,
    answers_match,
    extract_answer,
    grade,
    group_votes,
    normalise_answer,
)
from compute_aligned.errors import InputError

PACKAGE_FOLDER = Path(compute_aligned.__file__).parent.parent
# Parsing is quick and the comparison with a plain number is a factorial that never ends.
HOSTILE = r"(10^9)!"

LATEX_PIECES = [
    *(r"\boxed{", r"\fbox {", r"\boxed", "{", "}", r"\{", r"\}", "$", "$$", r"\$", "\\", r"\\"),
    *(r"\left", r"\right", r"\left(", r"\dfrac{1}{2}", r"\tfrac", r"\frac{", r"\pi", r"\ ", " "),
    *("\n", "a", "ft", "5", "-", "+", ".", ",", ",123", "/", "e", "1/0", "nan", "\ud800", "é"),
]
any_text = st.text(st.characters(exclude_categories=()))
latex_like = st.lists(st.sampled_from(LATEX_PIECES), max_size=20).map("".join)
texts = any_text | latex_like
without_deadline = settings(deadline=None)


# --- extraction ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so 7 apples, \boxed{42}. That used 3 steps.", "42"),
        (r"\boxed{1}, no: \boxed{2}", "2"),
        (r"\boxed{1}, no: \fbox{2}", "2"),
        (r"\fbox{1}, no: \boxed{2}", "2"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed { x }", "x"),
        ("\\boxed\n{$5$}", "$5$"),
        (r"\boxed{\text{no solution}}", r"\text{no solution}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{1\right.}", r"\left\{1\right."),
        (r"\boxed{[0,1\}}", r"[0,1\}"),
        (r"\boxed{5\ }", "5\\ "),
        (r"\boxed{x=\boxed{5}}", "5"),
        (r"\boxed{x=\fbox{5}+1}", "5"),
        (r"$\boxed{3}$ or $\boxed{y}$", "y"),
        (r"\boxed{3}}}", "3"),
    ],
)
def test_the_last_box_answers(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        r"12, \boxed{",
        r"12, \boxed{5",
        r"12, \boxed{\frac{1}{2}",
        r"12, \boxed{5\}",
        r"\boxed{5} and then \boxed{6",
        r"12, \boxed{}",
        r"\boxed{5} and then \boxed{}",
        "\\boxed{5} and then \\fbox{ \n }",
        r"\boxed{5} and then \boxed{$ $}",
        r"\boxed{5} and then \boxed{\left\right}",
        r"\boxed{\boxed{}}",
    ],
)
def test_a_malformed_or_empty_last_box_fails_whatever_precedes_it(text: str) -> None:
    assert extract_answer(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed 5", "5"),
        (r"\boxed{4}, that is \boxed 5", "4"),
        (r"as in \boxedtext{4}, 5", "5"),
        (r"we write \boxed around 6", "6"),
    ],
)
def test_a_command_without_braces_is_not_a_box(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3 and 2", "2"),
        ("The answer is 5.", "5"),
        ("The answer is 3.14.", "3.14"),
        ("it is -12", "-12"),
        ("it is +12", "+12"),
        ("it is -.5", "-.5"),
        ("about 6.02e23 of them", "6.02e23"),
        ("about 1E-3", "1E-3"),
        ("x=-3", "-3"),
        ("(-3)", "-3"),
        ("{-3}", "-3"),
        ("5-3", "3"),
        ("(2)-3", "3"),
        ("x-3", "3"),
        ("5 - 3", "3"),
        ("the odds are 3/4", "3/4"),
        ("the odds are -3/4!", "-3/4"),
        ("half is 1.5/3", "1.5/3"),
        (r"thus $\frac{3}{4}$", r"\frac{3}{4}"),
        (r"thus $-\dfrac {3} { 4 }$.", r"-\dfrac {3} { 4 }"),
        (r"thus \tfrac{-3}{4}", r"\tfrac{-3}{4}"),
        ("1,234 people", "1234"),
        ("$1,234,567.50, at most", "1234567.50"),
        ("-1,234", "-1234"),
        ("1,234, as said", "1234"),
        ("1,2", "2"),
        ("1, 234", "234"),
        ("1,234,5678", "5678"),
        ("1234,567", "567"),
        ("5 m, x2, 3x, 7cm, H_2", "5"),
        ("1.2.3", None),
        ("50% of it", "50"),
        ("答案是5", "5"),
        ("\u0665", None),
        ("no number", None),
        ("", None),
        (" \n", None),
        (".", None),
        ("1e", None),
        ("nan, inf", None),
    ],
)
def test_without_a_box_the_last_number_answers(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@without_deadline
@given(texts)
def test_extraction_accepts_any_text_and_never_answers_with_nothing(text: str) -> None:
    answer = extract_answer(text)
    assert answer is None or normalise_answer(answer)


@without_deadline
@given(texts)
def test_putting_an_extracted_answer_in_a_box_extracts_it_again(text: str) -> None:
    answer = extract_answer(rf"\boxed{{{text}}}") or extract_answer(text)
    if answer is not None:
        assert extract_answer(rf"so 7, \boxed{{1}}, \boxed{{{answer}}}, 8") == answer


# --- normal form -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" ( 1 , 2 )\n", "(1,2)"),
        ("$5$", "5"),
        ("$$ 5 $$", "5"),
        ("$ $5$ $", "5"),
        ("$5", "$5"),
        (r"\$5$", r"\$5$"),
        (r"$5\$", r"$5\$"),
        ("$$", ""),
        (r"\left( 1, 2 \right]", "(1,2]"),
        (r"\left\{1\right\}", r"\{1\}"),
        (r"\leftarrow\rightarrow", r"\leftarrow\rightarrow"),
        (r"\\left", r"\\left"),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\tfrac12", r"\frac12"),
        (r"\dfraction", r"\dfraction"),
        (r"2 \pi  r", r"2\pi r"),
        (r"\pi \left r", r"\pi r"),
        (r"\pi ( 3 )", r"\pi(3)"),
        (r"\pir", r"\pir"),
        ("5\\ \\text{cm}", r"5\text{cm}"),
        (r"a \\ b", r"a\\b"),
        ("1\u00a0000", "1000"),
        ("\\lef\\left t", r"\lef t"),
    ],
)
def test_the_normal_form_by_hand(text: str, normal: str) -> None:
    assert normalise_answer(text) == normal


@without_deadline
@given(texts)
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    normal = normalise_answer(text)
    assert normalise_answer(normal) == normal


@without_deadline
@given(texts.filter(lambda text: "$" not in text and not text.endswith("\\")))
def test_dollars_and_white_space_around_a_text_do_not_matter(text: str) -> None:
    assert normalise_answer(f" $$ {text}\n$ $") == normalise_answer(text)


# --- the paper's equality --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "gold"),
    [
        ("2", "2.0"),
        ("2.", "2"),
        ("007", "7"),
        ("-0", "0"),
        ("+5", "5"),
        (".5", "1/2"),
        ("1e-3", "0.001"),
        ("-1.5E+2", "-150"),
        (r"\frac{1}{2}", "0.5"),
        (r"-\frac{3}{2}", "-1.5"),
        (r"\frac{-3}{2}", "-3/2"),
        (r"-\frac{-3}{2}", "1.5"),
        (r"\dfrac{1}{4}", r"\tfrac{2}{8}"),
        ("1.5/3", "0.5"),
        ("0.3333", "1/3"),
        ("1.00009", "1"),
        ("$ 2 $", "2"),
        (r"\left( 1, 2 \right)", "(1,2)"),
        ("x + 1", "x+1"),
        ("1/0", "1 / 0"),
        ("nan", "nan"),
        ("9" * 400, "9" * 400),
    ],
)
def test_the_paper_accepts(prediction: str, gold: str) -> None:
    assert answers_match(prediction, gold)
    assert answers_match(prediction, gold, "symbolic")


@pytest.mark.parametrize(
    ("prediction", "gold"),
    [
        (None, "2"),
        (None, ""),
        ("2", "-2"),
        ("1.0001", "1"),
        ("0.0001", "0"),
        ("0.333", "1/3"),
        ("1/0", "0"),
        ("1/0", "2/0"),
        (r"\frac{0}{0}", "0"),
        ("9" * 400, "9" * 400 + ".0"),
        ("1e999", "1e998"),
        ("1e-999", "0.1"),
        ("1e99999999999999999999", "1"),
        ("12345678901234567890", "12345678901234567891"),
        ("1e300", "2e300"),
        ("inf", "1e999"),
        ("nan", "0"),
        ("1_000", "1000"),
        ("\u0665", "5"),
        ("x", "X"),
        ("x+x", "2x"),
    ],
)
def test_the_paper_refuses(prediction: str | None, gold: str) -> None:
    assert not answers_match(prediction, gold)


digits = st.text("0123456789", min_size=1, max_size=6)
integers = st.builds("{}{}".format, st.sampled_from(["", "-", "+"]), digits)
decimals = integers | st.builds("{}.{}".format, integers, digits)
numbers = decimals | st.builds("{}e{}".format, decimals, st.integers(-12, 12))
forms = st.sampled_from(["{0}", "{0}/{1}", r"\frac{{{0}}}{{{1}}}", r"-\dfrac{{{0}}}{{ {1} }}"])
shifts = st.sampled_from(["0", "0.0001", "-0.0001", "0.0000999999999", "-0.0000999999999"])


@st.composite
def scalars(draw: st.DrawFn) -> tuple[str, Fraction | None]:
    form, top, bottom = draw(forms), draw(numbers), draw(numbers)
    sign = -1 if form.startswith("-") else 1
    divisor = Fraction(1) if form == "{0}" else Fraction(bottom)
    return form.format(top, bottom), sign * Fraction(top) / divisor if divisor else None


@without_deadline
@given(scalars(), scalars(), st.none() | shifts)
def test_scalars_of_every_form_are_compared_as_exact_rationals(
    first: tuple[str, Fraction | None], second: tuple[str, Fraction | None], shift: str | None
) -> None:
    (left, a), (right, b) = first, second
    if shift is not None and a is not None:
        b = a + Fraction(shift)
        right = f"{b.numerator}/{b.denominator}"
    if a is None or b is None:
        expected = normalise_answer(left) == normalise_answer(right)
    else:
        expected = abs(a - b) < Fraction(1, 10_000)
    assert answers_match(left, right) == expected


@without_deadline
@given(texts, texts)
def test_the_papers_equality_never_raises_and_is_reflexive_and_symmetric(a: str, b: str) -> None:
    assert answers_match(a, a)
    assert answers_match(a, b) == answers_match(b, a)


# --- length ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "piece",
    [
        *("1", "1,", "1,111,", ",111", "1/", "1e", "1.", ".", "-", "+-", " ", "$", "$ ", "a "),
        *("\\", r"\ ", "{", "}", "{}", r"\{", r"\boxed", r"\boxed ", r"\boxed{", r"\boxed {}"),
        *(r"\frac", r"\frac ", r"\frac{1}{", r"\frac{1}{2}", r"\left", r"\left ", r"\a "),
    ],
)
def test_time_is_linear_in_the_length_of_a_text(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    begin = time.perf_counter()
    # About .3 s in all; quadratic scans would take from ten seconds to many minutes.
    extract_answer(4 * text + "x")
    for whole in (text, rf"\boxed{{{text}}}", rf"\boxed{{{text}"):
        extract_answer(whole)
        answers_match(f"{whole}x", "1")
        answers_match(f"1/{whole}", whole)
    assert time.perf_counter() - begin < 5


# --- votes and grades ------------------------------------------------------------------------


def test_votes_group_by_normalised_text_under_the_papers_grader() -> None:
    answers = [r"\dfrac{1}{2}", "0.5", None, r"$\frac{1}{2}$", "1/2", " 0.5"]
    assert group_votes(answers) == [r"\frac{1}{2}", "0.5", None, r"\frac{1}{2}", "1/2", "0.5"]
    assert grade(answers, "0.5") == [True, True, False, True, True, True]


def test_votes_group_by_symbolic_equality_under_the_symbolic_grader() -> None:
    answers = ["x=11", "(x+1)^2", None, "11", r"11\text{ cm}", "x^2+2x+1", "12", "11.00001"]
    votes = group_votes(answers, "symbolic")
    square = "(x+1)^2"
    assert votes == ["x=11", square, None, "x=11", "x=11", square, "12", "11.00001"]
    assert group_votes(answers[3:], "symbolic")[-1] == "11"
    assert grade(answers, "11", "symbolic") == [True, False, False, True, True, False, False, True]


def test_where_symbolic_equality_is_not_transitive_equal_votes_are_graded_alike() -> None:
    first_percent = [r"50\%", "50", "0.5"]
    first_number = ["50", r"50\%", "0.5"]
    assert group_votes(first_percent, "symbolic") == [r"50\%"] * 3
    assert group_votes(first_number, "symbolic") == ["50", "50", "0.5"]
    assert grade(first_percent, "0.5", "symbolic") == [True] * 3
    assert grade(first_number, "0.5", "symbolic") == [False, False, True]


@without_deadline
@given(st.lists(st.none() | latex_like | numbers, max_size=12), latex_like | numbers)
def test_the_papers_votes_are_normal_forms_and_its_grades_are_those_of_each_answer(
    answers: list[str | None], gold: str
) -> None:
    votes = group_votes(answers)
    assert votes == [None if answer is None else normalise_answer(answer) for answer in answers]
    assert group_votes(votes) == votes
    assert grade(answers, gold) == [answers_match(answer, gold) for answer in answers]
    assert grade(votes, gold) == grade(answers, gold)


def test_grading_five_hundred_problems_of_128_samples_takes_about_a_second() -> None:
    forms = ["{}", r"\frac{{{}}}{{7}}", r"x = {}\sqrt{{2}}", r"\left( {}, 1 \right)"]
    samples = [
        [
            None if (i * j) % 11 == 0 else forms[j % 4].format((i * 31 + j * j) % 197)
            for j in range(128)
        ]
        for i in range(500)
    ]
    begin = time.perf_counter()
    num_correct = sum(sum(grade(answers, "17")) for answers in samples)
    assert time.perf_counter() - begin < 4
    assert num_correct == sum(
        answer is not None and answer in ("17", r"\frac{119}{7}")
        for answers in samples
        for answer in answers
    )


def test_an_unknown_grader_is_an_input_error_that_lists_the_known_ones() -> None:
    calls = [
        lambda: answers_match(None, "1", "exact"),
        lambda: grade([], "1", "exact"),
        lambda: group_votes([], "exact"),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"(?s)'exact'.*paper, symbolic"):
            call()
    assert list(GRADERS) == ["paper", "symbolic"]


# --- symbolic equality -----------------------------------------------------------------------

ACCEPTED_BY_SYMBOLIC_ONLY = [
    (r"5\text{ cm}", "5"),
    (r"864 \mbox{ inches}^2", "864"),
    (r"90^\circ", "90"),
    (r"\$18.90", "18.9"),
    (r"50\%", "50"),
    (r"50\%", r"\frac{1}{2}"),
    (r"\sqrt2", r"\sqrt{2}"),
    (r"\frac12", "0.5"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
    (r"2\frac{3}{4}", "2.75"),
    (r"10,\!000", "10000"),
    ("1,000", "1000"),
    ("2^{10}", "1024"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("1,2", "2,1"),
    (r"1\pm\sqrt2", r"1-\sqrt{2}, 1+\sqrt{2}"),
    ("x=11", "11"),
    ("y=2x+3", "3+2x"),
    (r"x\in[0,1]", "[0,1]"),
    ("x<2", r"(-\infty,2)"),
    ("(x+1)^2", "x^2+2x+1"),
    (r"\text{(C)}", "C"),
    (r"\text{Evelyn}", "Evelyn"),
    # Too generous, but what math-verify says: units and bases are dropped, letters are factors.
    (r"3\text{ m}", r"3\text{ cm}"),
    ("4210_5", "4210_6"),
    ("abc", "cba"),
]
REFUSED_BY_BOTH = [
    ("x=11", "y=11"),
    ("x=11", "x=12"),
    ("(1,2)", "(2,1)"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    (r"0.\overline{3}", r"\frac{1}{3}"),
    ("6:00", "6"),
    (r"\log 2", r"\ln 2"),
    (r"\text{yes}", r"\text{no}"),
    (r"\foo{5}", "5"),
]


@pytest.mark.parametrize(("first", "second"), ACCEPTED_BY_SYMBOLIC_ONLY)
def test_symbolic_accepts_what_the_paper_misses(first: str, second: str) -> None:
    assert both_ways(first, second) == {"paper": [False, False], "symbolic": [True, True]}


@pytest.mark.parametrize(("first", "second"), REFUSED_BY_BOTH)
def test_both_graders_refuse(first: str, second: str) -> None:
    assert both_ways(first, second) == {"paper": [False, False], "symbolic": [False, False]}


@settings(max_examples=40, deadline=None)
@given(latex_like | numbers, latex_like | numbers)
def test_symbolic_accepts_any_text_is_symmetric_and_includes_the_papers_equality(
    a: str, b: str
) -> None:
    assert answers_match(a, a, "symbolic")
    symbolic = answers_match(a, b, "symbolic")
    assert symbolic == answers_match(b, a, "symbolic")
    assert symbolic or not answers_match(a, b)


def test_threads_share_the_symbolic_grader() -> None:
    match = SymbolicMatch()
    expected = dict.fromkeys(REFUSED_BY_BOTH, False)
    expected |= dict.fromkeys(ACCEPTED_BY_SYMBOLIC_ONLY, True)
    pairs = [*expected, *expected, *expected]
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(
            threads.map(lambda pair: match(*map(normalise_answer, pair)), pairs, timeout=60)
        )
    assert verdicts == [expected[pair] for pair in pairs]


def test_a_comparison_past_the_limit_is_not_equal_is_logged_and_does_no_harm_to_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    match = SymbolicMatch(cpu_seconds=0.5)
    assert match("x=11", "11")
    begin = time.perf_counter()
    with caplog.at_level(logging.WARNING, logger="compute_aligned.answers"):
        assert not match(HOSTILE, "5")
    assert time.perf_counter() - begin < 10
    (record,) = caplog.records
    assert HOSTILE in record.getMessage()
    assert "0.5 CPU seconds" in record.getMessage()
    assert match("x=12", "12")

    caplog.clear()
    assert not match("5", HOSTILE)
    assert not caplog.records, "the verdict should be remembered"


def test_a_text_that_cannot_be_read_in_time_is_refused_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    match = SymbolicMatch(cpu_seconds=0.3)
    nested = "(" * 60 + "1" + ")" * 60
    with caplog.at_level(logging.WARNING, logger="compute_aligned.answers"):
        assert not any(match(nested, other) for other in ("x", "y", "z"))
        assert match(nested, nested)
    assert len(caplog.records) == 1


def test_the_paper_grader_loads_neither_math_verify_nor_sympy() -> None:
    code = """
        import sys
        from compute_aligned.answers import answers_match, grade
        assert answers_match("1/2", "0.5") and grade(["2"], "2") == [True]
        assert answers_match("1/2", "0.5", "symbolic")
        assert not {"math_verify", "sympy"} & set(sys.modules)
    """
    run_script(code)


def test_a_script_without_a_main_guard_compares_once_and_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from compute_aligned.answers import SymbolicMatch\n"
        "match = SymbolicMatch()\n"
        "print(match('x=11', '11'), match._child[0].pid)\n"
    )
    done = subprocess.run(
        [sys.executable, script], env=environment(), capture_output=True, text=True, check=True
    )
    verdict, pid = done.stdout.split()
    assert verdict == "True"
    assert not done.stderr
    assert ends_within(int(pid), seconds=10)


def test_a_child_at_work_ends_at_its_limit_although_its_parent_is_gone() -> None:
    code = f"""
        import os, threading, time
        from compute_aligned.answers import SymbolicMatch
        match = SymbolicMatch(cpu_seconds=1.0)
        assert match("x=11", "11")
        pid = match._child[0].pid
        threading.Thread(target=match, args=({HOSTILE!r}, "5"), daemon=True).start()
        time.sleep(0.3)
        print(pid, flush=True)
        os._exit(0)
    """
    assert ends_within(int(run_script(code)), seconds=20)


def test_a_missing_math_verify_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    match = SymbolicMatch()
    assert match("1", "1.0")
    with pytest.raises(InputError, match="not installed"):
        match("x=11", "11")


def test_a_child_that_cannot_start_is_an_error_and_not_a_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start"):
        SymbolicMatch()("x=11", "11")


def both_ways(first: str, second: str) -> dict[str, list[bool]]:
    return {
        grader: [answers_match(*pair, grader) for pair in ((first, second), (second, first))]
        for grader in GRADERS
    }


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGE_FOLDER)}


def run_script(code: str) -> str:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def ends_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat")
        # A zombie has ended; only nobody has asked for its exit status.
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False
