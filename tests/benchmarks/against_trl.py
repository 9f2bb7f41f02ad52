"""Training steps beside those of trl's trainers: same model, data, batch, group and lengths.

Ours is all of a training, from the optimiser's making to the last step's record, divided by its
steps. Of trl's it is the steps alone, from the end of the first to the end of the last.

What differs. trl's SFT trainer also measures entropy and token accuracy in every step. Its GRPO
trainer generates by ``transformers.generate`` and passes every rollout through the model, where
ours passes distinct completions; its loss is that of PPO with the KL term of k3, as ours, and
neither keeps log-probabilities of a second iteration. Ours records quantiles of log p and weights.
"""

import importlib.util
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.compare import Comparison, Way, clocked
from benchmarks.steps import RlCase, SftCase
from compute_aligned.config.settings import Duration
from compute_aligned.files.progress import notice
from compute_aligned.method.strategies import SingleSample
from compute_aligned.models import loading
from compute_aligned.score.tasks import TASKS
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


def optimiser(settings: Any) -> dict[str, Any]:
    """What trl's configurations call the settings of the optimiser."""
    return {
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip_norm,
    }


def seconds_a_step(trainer: Any) -> float:
    """CPU seconds of a step of one of trl's trainers, from the end of the first step on."""
    from transformers import PrinterCallback, TrainerCallback

    times: list[float] = []

    class StepClock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.process_time())

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(StepClock())
    trainer.train()
    return (times[-1] - times[0]) / (len(times) - 1)


# --- fine-tuning --------------------------------------------------------------------------------


def our_sft(case: SftCase, steps: int, folder: Path) -> list[dict]:
    """Train for some steps on the same batch; the records of the steps."""
    changes = {"loss_reduction": "token", "checkpoint_every": steps + 1}
    changes |= {
        name: Duration(count=count, unit="steps") for name, count in (("hold", steps), ("decay", 0))
    }
    settings = case.settings.model_copy(update=changes)
    how = (SingleSample(), settings, 0, case.pad, folder / "checkpoint", "ours")
    return sft.train(case.copy().model, case.batch, *how).steps


def sft_trainer(case: SftCase, steps: int, folder: Path, tokenizer: Any) -> Any:
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
        completion_only_loss=True,
        **optimiser(case.settings),
        **COMMON,
    )
    return SFTTrainer(
        model=case.copy().model,
        args=config,
        train_dataset=Dataset.from_dict({k: v * steps for k, v in rows.items()}),
        processing_class=tokenizer,
    )


def check_sft(steps: list[dict], trainer: Any) -> None:
    """The mean loss of both over the same steps is the same."""
    ours = statistics.mean(step["loss"] for step in steps)
    of_trl = trainer.train().training_loss
    assert abs(ours - of_trl) < 1e-3 * of_trl, f"the losses: {ours:.6g}, trl {of_trl:.6g}"


# --- reinforcement learning ---------------------------------------------------------------------


def our_rl(case: RlCase, steps: int, folder: Path) -> list[dict]:
    """Train for some steps with the standard weight; the records of the steps."""
    changes = {"steps": steps, "checkpoint_every": steps + 1}
    settings = case.objective.settings.model_copy(update=changes)
    objective = Objective(SingleSample(), "raw", settings, case.objective.grader)
    policy = case.part().policy
    return rl.train(policy, case.tasks, objective, 0, folder / "checkpoint", "ours").steps


def grpo_trainer(case: RlCase, steps: int, folder: Path) -> Any:
    """trl's trainer on the same prompts with groups of the same size."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    settings, tokenizer = case.objective.settings, case.policy.tokenizer
    rollout, size = settings.rollout, settings.group_size
    loading.save(case.policy.model, tokenizer, folder / "start")
    model, _ = loading.load(folder / "start", case.policy.model.dtype)
    by_prompt = {problem.prompt: problem for problem, _ in case.tasks}
    task, grader = TASKS[settings.reward], case.objective.grader

    def reward(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
        found: list[float] = []
        for start in range(0, len(prompts), size):  # a group has one prompt
            problem, texts = by_prompt[prompts[start]], completions[start : start + size]
            found += task.grade(problem, texts, grader).rewards
        return found

    config = GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=len(case.tasks) * size,
        num_generations=size,
        steps_per_generation=1,
        max_completion_length=rollout.max_new_tokens,
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        top_k=rollout.top_k,
        beta=settings.kl_weight,
        max_steps=steps,
        shuffle_dataset=False,
        **optimiser(settings),
        **COMMON,
    )
    return GRPOTrainer(
        model=model,
        args=config,
        reward_funcs=reward,
        train_dataset=Dataset.from_dict({"prompt": list(by_prompt)}),
        processing_class=tokenizer,
    )


def check_rl(steps: list[dict], trainer: Any) -> None:
    """Both draw completions that are as long and earn as much, on average over the steps."""
    trainer.train()
    metrics = trainer.state.log_history[-1]
    names = (("mean_tokens", "completions/mean_length", 0.2), ("mean_reward", "reward", 0.01))
    for name, their_name, tolerance in names:
        ours, of_trl = statistics.mean(step[name] for step in steps), float(metrics[their_name])
        assert abs(ours - of_trl) < tolerance, f"{name}: {ours:.3g}, trl {of_trl:.3g}"


# --- the comparisons ----------------------------------------------------------------------------


def comparisons(sft_steps: int = 100, rl_steps: int = 6) -> Iterator[Comparison]:
    """Both trainings at the laptop's settings; none where trl is not installed."""
    if importlib.util.find_spec("trl") is None:
        notice("against_trl: trl is not installed (pip install --no-deps -r envs/bench.lock)")
        return
    warnings.filterwarnings("ignore", message="TRL currently supports vLLM")  # it is not used
    tuning, learning = SftCase.laptop(), RlCase.laptop()
    # a random model gives answers of one digit now and then
    learning = learning.answered([f"{place % 10}" for place in range(len(learning.tasks))])
    size = learning.objective.settings.group_size

    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        folder = Path(temporary)

        def their_sft(steps: int) -> Any:
            return sft_trainer(tuning, steps, folder, learning.policy.tokenizer)

        sft_ways = (
            Way("ours", clocked(lambda: our_sft(tuning, sft_steps, folder), share=sft_steps)),
            Way("trl's SFTTrainer", lambda: seconds_a_step(their_sft(sft_steps))),
        )
        yield Comparison(
            f"SFT step, {len(tuning.batch)} examples, cross-entropy",
            sft_ways,
            lambda: check_sft(our_sft(tuning, 10, folder), their_sft(10)),
        )

        def their_rl(steps: int) -> Any:
            return grpo_trainer(learning, steps, folder)

        rl_ways = (
            Way("ours", clocked(lambda: our_rl(learning, rl_steps, folder), share=rl_steps)),
            Way("trl's GRPOTrainer", lambda: seconds_a_step(their_rl(rl_steps))),
        )
        yield Comparison(
            f"RL step, {len(learning.tasks)} x {size} rollouts, standard weights",
            rl_ways,
            lambda: check_rl(our_rl(learning, 3, folder), their_rl(3)),
        )
