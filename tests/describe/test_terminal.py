from collections import Counter
from pathlib import Path

import pytest

from compute_aligned.describe import terminal
from compute_aligned.describe.terminal import Failed

RULES = Counter(table=33, figure=26, claims=1, train_sft=332)


@pytest.mark.parametrize(
    ("rule", "wildcards", "words"),
    [
        ("table", {"scale": "laptop", "item": "table2"}, "table table2"),
        ("train_sft", {"family": "f", "branch": "ce", "seed": "0"}, "train_sft f ce seed 0"),
        (
            "sample_shard",
            {"family": "f", "seed": "1", "shard": "2"},
            "sample_shard f seed 1 shard 2",
        ),
        ("claims", {"scale": "laptop"}, "claims"),
    ],
)
def test_a_job_is_named_by_what_tells_it_from_others(
    rule: str, wildcards: dict[str, str], words: str
) -> None:
    assert terminal.job_name(rule, wildcards) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (52 * 60, "52 min"),
        (100 * 60, "2 h"),
        (20 * 86400, "20 days"),
    ],
)
def test_a_time_is_in_the_unit_that_suits_it(seconds: float, words: str) -> None:
    assert terminal.duration(seconds) == words


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (RULES, "laptop: 392 jobs for 33 tables, 26 figures and 20 verdicts, soon"),
        (Counter(table=1), "laptop: 1 job for 1 table, soon"),
        (Counter(figure=2, table=1), "laptop: 3 jobs for 1 table and 2 figures, soon"),
        (Counter(prepare=2), "laptop: 2 jobs, soon"),
    ],
)
def test_the_first_line_says_what_will_be_made(rules: Counter[str], words: str) -> None:
    assert terminal.opening("laptop", rules, 20, "soon") == words


@pytest.mark.parametrize(
    ("seconds", "cores", "words"),
    [
        (52 * 60, 2, "about 52 min on 2 cores (make cost SCALE=laptop says more)"),
        (3, 1, "about 3 s on 1 core (make cost SCALE=laptop says more)"),
        (None, 2, "how long is not known (make cost SCALE=laptop says more)"),
        (None, None, "as long as the cluster takes (make cost SCALE=laptop says more)"),
    ],
)
def test_and_about_how_long_where_that_is_known(
    seconds: float | None, cores: int | None, words: str
) -> None:
    assert terminal.time_words("laptop", seconds, cores) == words


def test_progress_says_what_is_left_once_something_tells() -> None:
    assert terminal.progress(12, 392, 240, 2400) == "12 of 392 jobs, 4 min, about 40 min left"
    assert terminal.progress(0, 392, 0, None) == "0 of 392 jobs, 0 s"
    assert terminal.finished(12, 392, "claims", 14.2) == "12/392 claims (14 s)"


def test_the_last_lines_count_each_claim_once_and_say_where_to_look(tmp_path: Path) -> None:
    done = "Done: 392 jobs in 52 min, see results/laptop/, paper_figures/laptop/"
    assert terminal.closing("laptop", 392, 52 * 60, None, reported=True) == done

    claims = tmp_path / "claims.csv"
    claims.write_text(
        "claim,statement,claim_verdict\nC1,One,reproduced\nC1,One,reproduced\n"
        'C2,"Two, and more",not shown\nC3,Three,reproduced\n'
    )
    verdicts = "3 claims: 2 reproduced, 1 not shown, see results/laptop/claims.md"
    page = "; as a page: make report SCALE=laptop"
    for reported, end in ((True, page), (False, "")):
        words = terminal.closing("laptop", 392, 52 * 60, claims, reported)
        assert words.splitlines() == [done, verdicts + end]


def test_a_failure_shows_the_end_of_the_first_log_that_says_anything(tmp_path: Path) -> None:
    empty, log, missing = (str(tmp_path / name) for name in ("empty", "log", "missing"))
    Path(empty).touch()
    lines = [f"line {i}" for i in range(40)]
    Path(log).write_bytes(
        "\n".join([*lines, "", "10%\r50%\r", "last \udcff"]).encode("utf-8", "surrogateescape")
    )
    failed = [Failed("score f seed 0", [missing, empty, log]), Failed("claims", [log])]

    words = terminal.failure(failed, 12, 392, "snakemake --cores all").splitlines()

    assert words[1:4] == ["2 jobs failed, 12 of 392 jobs finished:", "  score f seed 0", "  claims"]
    assert words[5] == f"The end of {log}:"
    assert words[6:21] == [*(f"  | line {i}" for i in range(27, 40)), "  | 50%", "  | last \ufffd"]
    assert words[-1] == "  snakemake --cores all"
    assert len(words) < 30


def test_many_failures_fit_one_screen_and_none_is_a_stop() -> None:
    many = [Failed(f"job {i}", []) for i in range(100)]

    words = terminal.failure(many, 0, 392, "make").splitlines()

    assert "  and 95 more" in words
    assert "  It has left no log." in words
    assert len(words) < 15
    assert "Stopped with 3 of 7 jobs finished" in terminal.failure([], 3, 7, "make")
