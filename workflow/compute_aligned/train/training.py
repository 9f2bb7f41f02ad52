"""A model that is trained: from what, how, and what is kept of it."""

from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.fingerprints import training_fingerprint
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.options import Device
from compute_aligned.config.settings import Rl, Sft
from compute_aligned.config.sheets import WARMUP
from compute_aligned.files import provenance, records
from compute_aligned.models.ready import Ready, ready
from compute_aligned.train.place import Place, key_of

if TYPE_CHECKING:
    from compute_aligned.method.strategies import Strategy


@dataclass(frozen=True)
class Training:
    """A model to train.

    Attributes:
        experiment: Its family at a scale.
        name: The branch, or ``warmup``.
        seed: The run's seed.
        problems: What it learns from.
        start: The model that it starts from; None for what the family's settings say.
        fetched: The record of the family's checkpoint, where it has one.
        device: Where to compute, in place of the scale's.

    """

    experiment: Experiment
    name: str
    seed: int
    problems: Path
    start: Path | None
    fetched: Path | None
    device: Device

    @property
    def key(self) -> str:
        """What the trained model depends on."""
        settings = training_fingerprint(self.experiment, self.name)
        return key_of(settings, self.seed, self.problems, self.start, self.fetched)

    @property
    def how(self) -> Sft | Rl | None:
        """Its settings; None where the checkpoint as it is takes the warm-up's place."""
        if self.name == WARMUP:
            return self.experiment.settings.warmup
        return self.experiment.branch(self.name).training

    @property
    def strategy(self) -> str:
        """As its row spells it."""
        if self.name == WARMUP:
            return "SingleSample()"
        return self.experiment.branch(self.name).row.strategy

    def run(self, place: Place, since: provenance.Clock) -> None:
        """Train, and keep the model, its record and its provenance.

        Args:
            place: Where they go.
            since: When the work on it began.

        """
        import torch

        from compute_aligned.method.strategy_text import parse_strategy
        from compute_aligned.models import loading

        torch.set_num_threads(1)  # so that the bytes of a result repeat
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the model before this one held
        experiment, how = self.experiment, self.how
        by_rl = isinstance(how, Rl)
        references = 1 if isinstance(how, Rl) and how.kl_weight else 0
        at = ready(
            experiment.scale,
            experiment.family,
            self.device,
            self.fetched,
            lambda size: size.training_bytes(references),
        )
        key, dtype = self.key, getattr(torch, experiment.dtype)
        weights = loading.weights_dtype(at.model, dtype)
        if self.start is None:
            network, tokenizer = loading.build(at.model, self.seed, weights, at.device)
        else:
            network, tokenizer = loading.load(self.start, weights, at.model, at.device)
        strategy = parse_strategy(self.strategy)
        update = self._reinforce if by_rl else self._fine_tune
        with loading.passes_in(dtype, at.device):
            steps, facts = update(network, tokenizer, strategy, at, place.checkpoint)
        schema = records.RL_STEPS if by_rl else records.STEPS
        trained, parameters = loading.count_parameters(network)
        with place.kept.make(key) as kept:
            loading.save(network, tokenizer, kept.model)
            records.write_table(kept.steps, steps, schema)
            provenance.record(
                kept.model,
                since,
                scale=experiment.scale,
                family=experiment.family,
                branch=self.name,
                config_hash=training_fingerprint(experiment, self.name),
                device=at.device,
                **_origin(at),
                parameters=parameters,
                trained_parameters=None if trained == parameters else trained,
                seed=self.seed,
                strategy=repr(strategy),
                steps=len(steps),
                **facts,
            )
        place.checkpoint.unlink(missing_ok=True)

    def _fine_tune(
        self, network: Any, tokenizer: Any, strategy: "Strategy", at: Ready, checkpoint: Path
    ) -> tuple[list[dict], dict[str, Any]]:
        """Fine-tune a network in place; the record of every step, and facts for its provenance."""
        from compute_aligned.train import sft

        how = self.how
        if not isinstance(how, Sft):
            return [], {}
        target = self.experiment.settings.problems.target
        problems = records.read_problems(self.problems)
        examples = sft.encode_examples(tokenizer, problems, target, at.model)
        progress = sft.train(
            network,
            sft.no_longer_than(how.longest, examples),
            strategy,
            how,
            self.seed,
            tokenizer.pad_token_id,
            checkpoint,
            self._description,
        )
        return progress.steps, {
            "stop_at_probability": how.stop_at_probability,
            "stop_reached": progress.reached,
            "decay_started_at_step": progress.decay_start,
        }

    def _reinforce(
        self, network: Any, tokenizer: Any, strategy: "Strategy", at: Ready, checkpoint: Path
    ) -> tuple[list[dict], dict[str, Any]]:
        """Train a network by RL, as :meth:`_fine_tune`."""
        from compute_aligned.models import loading
        from compute_aligned.models.tokens import encode
        from compute_aligned.train.experience import Objective
        from compute_aligned.train.rl import Policy, train

        how = self.how
        form = self.experiment.branch(self.name).row.weight_form
        if not isinstance(how, Rl) or form == "-" or self.start is None:
            raise ValueError(f"{self._description} is not trained by reinforcement learning")
        strategy.check_form(form)
        reference = loading.reference(network, self.start) if how.kl_weight else None
        room = repeat(how.rollout.max_new_tokens)
        tasks = encode(tokenizer, records.read_problems(self.problems), room, at.model)
        progress = train(
            Policy(network, tokenizer, reference),
            tasks,
            Objective(strategy, form, how, self.experiment.settings.grader),
            self.seed,
            checkpoint,
            self._description,
        )
        return progress.steps, {
            "weight_form": form,
            "rollout_tokens": sum(step["tokens"] for step in progress.steps),
        }

    @property
    def _description(self) -> str:
        return f"{self.experiment.family} {self.name} seed {self.seed}"


def _origin(at: Ready) -> dict[str, str | None]:
    """The checkpoint that a model was trained from, for its provenance; nothing of other models."""
    if not isinstance(at.model, PretrainedModel):
        return {}
    return {"pretrained": at.model.pretrained, "revision": at.model.revision}
