import importlib.util
import logging
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from score.answer_texts import latex_like, numbers
from support import jobs

from compute_aligned.files.errors import InputError
from compute_aligned.score.answers import GRADERS, answers_match, normalise_answer
from compute_aligned.score.symbolic import SymbolicMatch

# Parsing is quick and the comparison with a plain number is a factorial that never ends.
HOSTILE = r"(10^9)!"


ACCEPTED_BY_SYMBOLIC_ONLY = [
    *((r"5\text{ cm}", "5"), (r"864 \mbox{ inches}^2", "864"), (r"90^\circ", "90")),
    *((r"\$18.90", "18.9"), (r"50\%", "50"), (r"50\%", r"\frac{1}{2}"), (r"\frac12", "0.5")),
    *((r"\sqrt2", r"\sqrt{2}"), (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"), ("1,000", "1000")),
    *((r"2\frac{3}{4}", "2.75"), (r"10,\!000", "10000"), ("2^{10}", "1024"), ("1,2", "2,1")),
    *((r"\{1,2\}", r"\{2,1\}"), (r"1\pm\sqrt2", r"1-\sqrt{2}, 1+\sqrt{2}"), ("x=11", "11")),
    *(("y=2x+3", "3+2x"), (r"x\in[0,1]", "[0,1]"), ("x<2", r"(-\infty,2)")),
    *(("(x+1)^2", "x^2+2x+1"), (r"\text{(C)}", "C"), (r"\text{Evelyn}", "Evelyn")),
    # Too generous, but what math-verify says: units and bases are dropped, letters are factors.
    *((r"3\text{ m}", r"3\text{ cm}"), ("4210_5", "4210_6"), ("abc", "cba")),
]
REFUSED_BY_BOTH = [
    *(("x=11", "y=11"), ("x=11", "x=12"), ("(1,2)", "(2,1)"), ("6:00", "6"), (r"\foo{5}", "5")),
    *((r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"), (r"0.\overline{3}", r"\frac{1}{3}")),
    *((r"\log 2", r"\ln 2"), (r"\text{yes}", r"\text{no}")),
]
EXPECTED = dict.fromkeys(ACCEPTED_BY_SYMBOLIC_ONLY, True) | dict.fromkeys(REFUSED_BY_BOTH, False)


@pytest.mark.parametrize(("pair", "symbolic"), EXPECTED.items())
def test_the_paper_refuses_what_symbolic_equality_accepts_or_both_do(
    pair: tuple[str, str], symbolic: bool
) -> None:
    first, second = pair
    found = {
        grader: [answers_match(first, second, grader), answers_match(second, first, grader)]
        for grader in GRADERS
    }

    assert found == {"paper": [False, False], "symbolic": [symbolic, symbolic]}


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
    pairs = [*EXPECTED, *EXPECTED, *EXPECTED]
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(
            threads.map(lambda pair: match(*map(normalise_answer, pair)), pairs, timeout=60)
        )
    assert verdicts == [EXPECTED[pair] for pair in pairs]


def test_a_comparison_past_the_limit_is_not_equal_is_logged_and_does_no_harm_to_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    match = SymbolicMatch(cpu_seconds=0.5)
    assert match("x=11", "11")
    with caplog.at_level(logging.WARNING, logger="compute_aligned.score.symbolic"):
        assert not match(HOSTILE, "5")
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
    with caplog.at_level(logging.WARNING, logger="compute_aligned.score.symbolic"):
        assert not any(match(nested, other) for other in ("x", "y", "z"))
        assert match(nested, nested)
    assert len(caplog.records) == 1


def test_the_paper_grader_loads_neither_math_verify_nor_sympy() -> None:
    code = """
        import sys
        from compute_aligned.score.answers import answers_match, graded_votes
        assert answers_match("1/2", "0.5") and graded_votes(["2"], "2") == (["2"], [True])
        assert answers_match("1/2", "0.5", "symbolic")
        assert not {"math_verify", "sympy"} & set(sys.modules)
    """
    run_script(code)


def test_a_script_without_a_main_guard_compares_once_and_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from compute_aligned.score.symbolic import SymbolicMatch\n"
        "match = SymbolicMatch()\n"
        "print(match('x=11', '11'), match._child[0].pid)\n"
    )
    done = jobs.start(script)
    verdict, pid = done.stdout.split()
    assert (verdict, done.stderr, done.returncode) == ("True", "", 0)
    assert ends_within(int(pid), seconds=10)


def test_a_child_at_work_ends_at_its_limit_although_its_parent_is_gone() -> None:
    code = f"""
        import os, threading, time
        from compute_aligned.score.symbolic import SymbolicMatch
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


def run_script(code: str) -> str:
    """What a script says; it may leave a process that holds its standard error open."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(
        command, env=jobs.ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
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
