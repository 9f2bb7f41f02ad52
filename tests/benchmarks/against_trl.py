"""Training steps beside those of trl's trainers: same model, data, batch, group and lengths.

Ours is all of a training, from the optimiser's making to the last step's record, divided by its
steps. Of trl's it is the steps alone, from the end of the first to the end of the last.

What differs. trl's SFT trainer also measures entropy and token accuracy in every step. Its GRPO
trainer generates by ``transformers.generate`` and passes every rollout through the model, where
ours passes distinct completions; its loss is that of PPO with the KL term of k3, as ours, and
neither keeps log-probabilities of a second iteration. Ours records quantiles of log p and weights.
"""

import importlib.util
import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import rl_step, sft_step
from benchmarks.compare import Comparison, Way, clocked
from compute_aligned.config.settings import Duration
from compute_aligned.files.progress import notice
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import SingleSample
from compute_aligned.models import loading
from compute_aligned.score.grading import REWARDS
from compute_aligned.train import rl, sft
from compute_aligned.train.experience import Objective

COMMON = {  # of both trainers: nothing is written, reported or recomputed
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "optim": "adamw_torch_fused",
    "lr_scheduler_type": "constant",
    "logging_strategy": "no",
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "train_sampling_strategy": "sequential",
    "dataloader_pin_memory": False,
}


def step_clock() -> Any:
    """A callback that keeps the CPU time at the end of every step."""
    from transformers import TrainerCallback

    class StepClock(TrainerCallback):
        times: list[float]

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.times = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.times.append(time.process_time())

        @property
        def seconds(self) -> float:
            return (self.times[-1] - self.times[0]) / (len(self.times) - 1)

    return StepClock()


# --- fine-tuning --------------------------------------------------------------------------------


def our_sft(case: sft_step.Case, steps: int, folder: Path) -> list[dict]:
    """Train for some steps on the same batch; the records of the steps."""
    settings = case.settings.model_copy(
        update={
            "hold": Duration(count=steps, unit="steps"),
            "decay": Duration(count=0, unit="steps"),
            "loss_reduction": "token",
            "checkpoint_every": steps + 1,
        }
    )
    fresh = case.copy()
    checkpoint = folder / "checkpoint"
    return sft.train(
        fresh.model, fresh.batch, SingleSample(), settings, 0, case.pad, checkpoint, "ours"
    ).steps


def sft_trainer(case: sft_step.Case, steps: int, folder: Path, tokenizer: Any) -> Any:
    """trl's trainer on the same batch, again and again."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = {
        "input_ids": [prompt + completion for prompt, completion in case.batch],
        "completion_mask": [[0] * len(p) + [1] * len(c) for p, c in case.batch],
    }
    config = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=len(case.batch),
        max_steps=steps,
        learning_rate=case.settings.learning_rate,
        weight_decay=case.settings.weight_decay,
        max_grad_norm=case.settings.clip_norm,
        completion_only_loss=True,
        **COMMON,
    )
    return SFTTrainer(
        model=case.copy().model,
        args=config,
        train_dataset=Dataset.from_dict({k: v * steps for k, v in rows.items()}),
        processing_class=tokenizer,
        callbacks=[step_clock()],
    )


def check_sft(ours: Callable[[], list[dict]], make: Callable[[], Any]) -> None:
    """The mean loss of both over the same steps is the same."""
    of_ours = [step["loss"] for step in ours()]
    of_trl = make().train().training_loss
    difference = abs(sum(of_ours) / len(of_ours) - of_trl)
    assert difference < 1e-3 * of_trl, f"the losses differ by {difference:.1e}"


# --- reinforcement learning ---------------------------------------------------------------------


def short_answers(case: rl_step.Case) -> rl_step.Case:
    """The same case with answers of one digit, which a random model gives now and then."""
    tasks = [
        (problem.model_copy(update={"answer": f"{place % 10}"}), prompt)
        for place, (problem, prompt) in enumerate(case.tasks)
    ]
    return rl_step.Case(case.policy, tasks, case.objective)


def our_rl(case: rl_step.Case, steps: int, folder: Path) -> list[dict]:
    """Train for some steps with the standard weight; the records of the steps."""
    settings = case.objective.settings.model_copy(
        update={"steps": steps, "checkpoint_every": steps + 1}
    )
    objective = Objective(SingleSample(), "raw", settings, case.objective.grader)
    fresh = case.copy()
    return rl.train(fresh.policy, case.tasks, objective, 0, folder / "checkpoint", "ours").steps


def grpo_trainer(case: rl_step.Case, steps: int, folder: Path) -> Any:
    """trl's trainer on the same prompts with groups of the same size."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    settings, tokenizer = case.objective.settings, case.policy.tokenizer
    loading.save(case.policy.model, tokenizer, folder / "start")
    model, _ = loading.load(folder / "start", case.policy.model.dtype)
    by_prompt = {problem.prompt: problem for problem, _ in case.tasks}

    def reward(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
        pairs = zip(prompts, completions, strict=True)
        groups = itertools.groupby(pairs, key=lambda pair: pair[0])
        return [
            value for prompt, group in groups for value in graded(by_prompt[prompt], group, case)
        ]

    config = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=len(case.tasks) * settings.group_size,
        num_generations=settings.group_size,
        steps_per_generation=1,
        max_completion_length=settings.rollout.max_new_tokens,
        temperature=settings.rollout.temperature,
        top_p=settings.rollout.top_p,
        top_k=settings.rollout.top_k,
        beta=settings.kl_weight,
        max_steps=steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip_norm,
        shuffle_dataset=False,
        **COMMON,
    )
    return GRPOTrainer(
        model=model,
        args=config,
        reward_funcs=reward,
        train_dataset=Dataset.from_dict({"prompt": list(by_prompt)}),
        processing_class=tokenizer,
        callbacks=[step_clock()],
    )


def graded(problem: Problem, group: Any, case: rl_step.Case) -> list[float]:
    """The rewards of one prompt's completions."""
    texts = [completion for _, completion in group]
    reward = REWARDS[case.objective.settings.reward]
    return reward(problem, texts, case.objective.grader).rewards


def check_rl(ours: Callable[[], list[dict]], make: Callable[[], Any]) -> None:
    """Both draw completions that are as long and earn as much, on average over the steps."""
    steps = ours()
    trainer = make()
    trainer.train()
    metrics = trainer.state.log_history[-1]
    for ours_name, trl_name, tolerance in (
        ("mean_tokens", "completions/mean_length", 0.2),
        ("mean_reward", "reward", 0.01),
    ):
        of_ours = statistics.mean(step[ours_name] for step in steps)
        of_trl = float(metrics[trl_name])
        assert abs(of_ours - of_trl) < tolerance, f"{ours_name}: {of_ours:.3g}, trl {of_trl:.3g}"


# --- the comparisons ----------------------------------------------------------------------------


def comparisons(sft_steps: int = 100, rl_steps: int = 6) -> list[Comparison]:
    """Both trainings at the laptop's settings; none where trl is not installed.

    Args:
        sft_steps: Steps of one measurement.
        rl_steps: Likewise.

    """
    if importlib.util.find_spec("trl") is None:
        notice("against_trl: trl is not installed (pip install --no-deps -r envs/bench.lock)")
        return []
    from transformers import PrinterCallback

    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")  # it is not used
    temporary = tempfile.TemporaryDirectory(prefix="benchmarks-")
    folder = Path(temporary.name)
    tuned, learnt = sft_step.laptop_case(), short_answers(rl_step.laptop_case())
    settings = learnt.objective.settings

    def make_sft(steps: int) -> Any:
        return sft_trainer(tuned, steps, folder, learnt.policy.tokenizer)

    def make_rl(steps: int) -> Any:
        return grpo_trainer(learnt, steps, folder)

    def seconds_of(make: Callable[[int], Any], steps: int) -> float:
        assert temporary  # kept until the last measurement
        trainer = make(steps)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return next(c for c in trainer.callback_handler.callbacks if hasattr(c, "times")).seconds

    return [
        Comparison(
            f"SFT step, batch of {len(tuned.batch)}, cross-entropy",
            (
                Way("ours", clocked(lambda: our_sft(tuned, sft_steps, folder), share=sft_steps)),
                Way("trl SFTTrainer", lambda: seconds_of(make_sft, sft_steps)),
            ),
            lambda: check_sft(lambda: our_sft(tuned, 10, folder), lambda: make_sft(10)),
        ),
        Comparison(
            f"RL step, {len(learnt.tasks)} x {settings.group_size} rollouts, standard",
            (
                Way("ours", clocked(lambda: our_rl(learnt, rl_steps, folder), share=rl_steps)),
                Way("trl GRPOTrainer", lambda: seconds_of(make_rl, rl_steps)),
            ),
            lambda: check_rl(lambda: our_rl(learnt, 3, folder), lambda: make_rl(3)),
        ),
    ]
