import math
from pathlib import Path
from typing import Any

import pytest
import torch
from train.training import NO_PAST, collected, objective, policy, reinforce

from compute_aligned.config.settings import Decoding
from compute_aligned.files.errors import InputError
from compute_aligned.method.strategies import PassAtN
from compute_aligned.score.tasks import TASKS, Grades
from compute_aligned.train import experience, rl
from compute_aligned.train.experience import Row

pytestmark = pytest.mark.usefixtures("easy_reward")


def test_equal_rollouts_put_together_change_neither_loss_nor_gradient() -> None:
    together, apart = policy(reference_seed=5), policy(reference_seed=5)
    often = Decoding(temperature=0.5, top_k=2, max_new_tokens=5)
    what = objective(PassAtN(n=4), "log", group_size=40, rollout=often)
    drawn, gains = collected(together, what)
    rows = experience.distinct_rows(drawn, gains.gains)
    one_a_rollout = [
        Row(prompt, completion, gain, 1)
        for prompt, completions, of_prompt in zip(
            drawn.prompts, drawn.rollouts.completions, gains.gains.tolist(), strict=True
        )
        for completion, gain in zip(completions, of_prompt, strict=True)
    ]
    assert len(rows) < len(one_a_rollout) / 2

    found = rl.accumulate_gradient(together, rows, what.settings)
    expected = rl.accumulate_gradient(apart, one_a_rollout, what.settings)

    assert found == pytest.approx(expected, rel=1e-5)
    for ours, theirs in zip(together.parameters, apart.parameters, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7)


def test_the_penalty_falls_on_prompts_without_a_right_rollout_only() -> None:
    drawn, _ = collected(policy(), objective())
    drawn.grades[1] = Grades([0.0] * 5, [True] * 5, [False] * 5, ["2", "4", "2", None, "6"])
    drawn.grades[2] = Grades([1.0] + [0.0] * 4, [True] * 5, [True] + [False] * 4, list("12468"))
    without, found = (
        experience.weigh(
            drawn,
            objective(success_estimate="smoothed_success", all_wrong_penalty=penalty),
            NO_PAST,
        ).gains
        for penalty in (0.0, 0.5)
    )

    assert found[1].tolist() == [-0.5] * 5
    assert without[1].tolist() == [0.0] * 5
    assert torch.equal(found[2], without[2])


def test_the_share_on_all_wrong_prompts_is_of_absolute_gains() -> None:
    gains = torch.tensor([[-0.5, -0.5], [2.0, -1.0], [0.0, 0.0]])
    correct = torch.tensor([[False, False], [True, False], [True, True]])

    assert experience.all_wrong_share(gains, correct) == pytest.approx(1 / 4)
    assert experience.all_wrong_share(torch.zeros(3, 2), correct) is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_reward_that_is_no_number_is_an_error_that_names_the_problem(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade = TASKS["answer"].grade

    def broken(problem: Any, texts: Any, grader: str) -> Grades:
        if problem.id != "18*3":
            return grade(problem, texts, grader)
        return Grades([value] * len(texts), [True] * len(texts))

    monkeypatch.setattr(TASKS["answer"], "grade", broken)

    with pytest.raises(InputError, match=f"^problem 18.3: .* is {value}"):
        reinforce(policy(), objective(), tmp_path / "c")
