from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from score.answer_texts import numbers, texts, without_deadline

from compute_aligned.score.answers import answers_match, extract_answer, normalise_answer

# --- extraction ------------------------------------------------------------------------------

BOXES = [
    *((r"so 7 apples, \boxed{42}. That used 3 steps.", "42"), (r"\boxed{1}, no: \boxed{2}", "2")),
    *((r"\boxed{1}, no: \fbox{2}", "2"), (r"\fbox{1}, no: \boxed{2}", "2")),
    *((r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"), (r"\boxed { x }", "x")),
    *(("\\boxed\n{$5$}", "$5$"), (r"\boxed{\text{no solution}}", r"\text{no solution}")),
    *((r"\boxed{\{1,2\}}", r"\{1,2\}"), (r"\boxed{\left\{1\right.}", r"\left\{1\right.")),
    *((r"\boxed{[0,1\}}", r"[0,1\}"), (r"\boxed{5\ }", r"5\ "), (r"\boxed{x=\boxed{5}}", "5")),
    *((r"\boxed{x=\fbox{5}+1}", "5"), (r"$\boxed{3}$ or $\boxed{y}$", "y"), (r"\boxed{3}}}", "3")),
]
# malformed or empty: it fails whatever precedes it
BROKEN_BOXES = [
    *(r"12, \boxed{", r"12, \boxed{5", r"12, \boxed{\frac{1}{2}", r"12, \boxed{5\}"),
    *(r"\boxed{5} and then \boxed{6", r"12, \boxed{}", r"\boxed{5} and then \boxed{}"),
    *("\\boxed{5} and then \\fbox{ \n }", r"\boxed{5} and then \boxed{$ $}"),
    *(r"\boxed{5} and then \boxed{\left\right}", r"\boxed{\boxed{}}"),
]
NUMBERS = [
    *((r"\boxed 5", "5"), (r"as in \boxedtext{4}, 5", "5"), ("The answer is 5.", "5")),
    *(("答案是5", "5"), ("5 m, x2, 3x, 7cm, H_2", "5"), (r"\boxed{4}, that is \boxed 5", "4")),
    *((r"we write \boxed around 6", "6"), ("3 and 2", "2"), ("1,2", "2")),
    *(("The answer is 3.14.", "3.14"), ("it is -12", "-12"), ("it is +12", "+12")),
    *(("it is -.5", "-.5"), ("about 6.02e23 of them", "6.02e23"), ("about 1E-3", "1E-3")),
    *(("x=-3", "-3"), ("(-3)", "-3"), ("{-3}", "-3"), ("5-3", "3"), ("(2)-3", "3"), ("x-3", "3")),
    *(("5 - 3", "3"), ("the odds are 3/4", "3/4"), ("the odds are -3/4!", "-3/4")),
    *(("half is 1.5/3", "1.5/3"), (r"thus $\frac{3}{4}$", r"\frac{3}{4}")),
    (r"thus $-\dfrac {3} { 4 }$.", r"-\dfrac {3} { 4 }"),
    *((r"thus \tfrac{-3}{4}", r"\tfrac{-3}{4}"), ("1,234 people", "1234")),
    *(("1,234, as said", "1234"), ("$1,234,567.50, at most", "1234567.50"), ("-1,234", "-1234")),
    *(("1, 234", "234"), ("1,234,5678", "5678"), ("1234,567", "567"), ("50% of it", "50")),
]
NO_NUMBERS = ["1.2.3", "\u0665", "no number", "", " \n", ".", "1e", "nan, inf"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [*BOXES, *NUMBERS, *((text, None) for text in (*BROKEN_BOXES, *NO_NUMBERS))],
)
def test_the_last_box_answers_and_without_one_the_last_number(
    text: str, answer: str | None
) -> None:
    assert extract_answer(text) == answer


@without_deadline
@given(texts)
def test_an_answer_is_never_nothing_and_in_a_box_it_is_extracted_again(text: str) -> None:
    for answer in (extract_answer(text), extract_answer(rf"\boxed{{{text}}}")):
        assert answer is None or normalise_answer(answer)
        assert (
            answer is None or extract_answer(rf"so 7, \boxed{{1}}, \boxed{{{answer}}}, 8") == answer
        )


# --- normal form -----------------------------------------------------------------------------


NORMAL_FORMS = [
    *((" ( 1 , 2 )\n", "(1,2)"), ("$5$", "5"), ("$$ 5 $$", "5"), ("$ $5$ $", "5"), ("$5", "$5")),
    *((r"\$5$", r"\$5$"), (r"$5\$", r"$5\$"), ("$$", ""), (r"\left( 1, 2 \right]", "(1,2]")),
    *((r"\left\{1\right\}", r"\{1\}"), (r"\leftarrow\rightarrow", r"\leftarrow\rightarrow")),
    *((r"\\left", r"\\left"), (r"\dfrac{1}{2}", r"\frac{1}{2}"), (r"\tfrac12", r"\frac12")),
    *((r"\dfraction", r"\dfraction"), (r"2 \pi  r", r"2\pi r"), (r"\pi \left r", r"\pi r")),
    *((r"\pi ( 3 )", r"\pi(3)"), (r"\pir", r"\pir"), (r"5\ \text{cm}", r"5\text{cm}")),
    *((r"a \\ b", r"a\\b"), ("1\u00a0000", "1000"), (r"\lef\left t", r"\lef t")),
]


@pytest.mark.parametrize(("text", "normal"), NORMAL_FORMS)
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

EQUAL = [
    *(("2", "2.0"), ("2.", "2"), ("007", "7"), ("-0", "0"), ("+5", "5"), (".5", "1/2")),
    *(("1e-3", "0.001"), ("-1.5E+2", "-150"), (r"\frac{1}{2}", "0.5"), ("1.5/3", "0.5")),
    *((r"-\frac{3}{2}", "-1.5"), (r"\frac{-3}{2}", "-3/2"), (r"-\frac{-3}{2}", "1.5")),
    *((r"\dfrac{1}{4}", r"\tfrac{2}{8}"), ("0.3333", "1/3"), ("1.00009", "1"), ("$ 2 $", "2")),
    *((r"\left( 1, 2 \right)", "(1,2)"), ("x + 1", "x+1"), ("1/0", "1 / 0"), ("nan", "nan")),
    ("9" * 400, "9" * 400),
]
UNEQUAL = [
    *((None, "2"), (None, ""), ("2", "-2"), ("1.0001", "1"), ("0.0001", "0"), ("0.333", "1/3")),
    *(("1/0", "0"), ("1/0", "2/0"), (r"\frac{0}{0}", "0"), ("9" * 400, "9" * 400 + ".0")),
    *(("1e999", "1e998"), ("1e-999", "0.1"), ("1e99999999999999999999", "1")),
    *(("12345678901234567890", "12345678901234567891"), ("1e300", "2e300"), ("inf", "1e999")),
    *(("nan", "0"), ("1_000", "1000"), ("\u0665", "5"), ("x", "X"), ("x+x", "2x")),
]


@pytest.mark.parametrize(
    ("pair", "equal"), [*((pair, True) for pair in EQUAL), *((pair, False) for pair in UNEQUAL)]
)
def test_the_paper_accepts_equal_numbers_and_texts_and_refuses_others(
    pair: tuple[str | None, str], equal: bool
) -> None:
    assert answers_match(*pair) == equal
    assert answers_match(*pair, "symbolic") or not equal  # which includes the paper's rule


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


whole_numbers = st.text("0123456789", min_size=1, max_size=25)


@given(
    whole_numbers,
    whole_numbers,
    st.sampled_from(["", "-", "+"]),
    st.sampled_from(["", ".", ".0", ".00009", ".00011"]),
)
def test_whole_numbers_are_compared_as_fractions(
    first: str, second: str, sign: str, end: str
) -> None:
    for other in (first, second):
        left, right = Fraction(first), Fraction(f"{sign}{other}{end}0" if end else sign + other)
        expected = abs(left - right) < Fraction(1, 10_000)
        assert answers_match(first, f"{sign}{other}{end}") == expected


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
def test_a_long_text_of_any_repeated_piece_is_read_and_equals_itself(piece: str) -> None:
    text = piece * (100_000 // len(piece))  # a quadratic scan would take minutes here
    assert extract_answer(4 * text + "x") is None or piece.strip("$ ")
    for whole in (text, rf"\boxed{{{text}}}", rf"\boxed{{{text}"):
        extract_answer(whole)
        assert answers_match(whole, whole)
        assert not answers_match(f"{whole}x", "1")
