"""The configuration, checked, how a job finds the package, and the inputs that are computed."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

PACKAGE = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(PACKAGE))

from compute_aligned.config import checks, fingerprints, study
from compute_aligned.config import claims as claim_sheets
from compute_aligned.config.models import PretrainedModel
from compute_aligned.files.errors import InputError
from compute_aligned.paper import captions

try:
    RUN = study.read_run(config)
    checks.check(RUN)
    checks.check_claims(RUN.scale)
except InputError as error:
    raise WorkflowError(str(error)) from None

# envs/ has a CPU and a GPU form of what differs between them
FORM = ".gpu" if (RUN.device or study.read_scale(RUN.scale).device) == "cuda" else ""
# no parameter of the jobs: where they compute is no reason to run them again
DEVICE = f" --device {RUN.device}" if RUN.device else ""

# jobs find the package here, with or without conda; in an environment of conda's nothing else of the
# user's own (~/.local) may take the place of a package in it
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH='{PACKAGE}'"
    + (" PYTHONNOUSERSITE=1; " if WITH_CONDA else "; ")
)


wildcard_constraints:
    scale="[a-z0-9_]+",
    source="[a-z0-9_]+",
    family="[a-z0-9_]+",
    branch="[a-z0-9_]+",
    item=r"(?!claims\.)[a-z0-9_]+",  # claims.pdf is the figure of no row of paper_items.tsv
    seed="[0-9]+",
    checkpoint="[A-Za-z0-9_.@-]+",
    shard="[0-9]+",


def trained_by(kind):
    """Matches a {family} where the next folder, {branch}, is a branch trained in this way.

    An empty constraint would let everything through; nothing matches (?!).
    """
    branches = study.branches_trained_by(kind)
    return "|".join(f"{family}(?=/{branch}/)" for family, branch in branches) or "(?!)"


def start_model(wildcards):
    """The model that a branch is trained from: its family's warm-up, or another of its branches."""
    family = wildcards.family
    start = study.start_of(family, wildcards.branch)
    kind = f"warmup/{family}" if start == study.WARMUP else f"branches/{family}/{start}"
    return f"results/{wildcards.scale}/{kind}/seed{wildcards.seed}/model"


def fetched(wildcards):
    """The record of the checkpoint that a family starts from; nothing for models from scratch."""
    model = family_settings(wildcards).model
    if not isinstance(model, PretrainedModel):
        return []
    return f"results/{wildcards.scale}/models/{model.checkpoint}.json"


def family_settings(wildcards):
    return study.read_family(wildcards.scale, wildcards.family)


def engine(wildcards):
    return RUN.engine or study.read_scale(wildcards.scale).engine


def gpus(wildcards):
    """GPUs that a model is trained or sampled on, for schedulers that hand them out."""
    return int((RUN.device or study.read_scale(wildcards.scale).device) == "cuda")


def memory_mb(wildcards):
    """Main memory for a model: a scale for GPUs has large ones."""
    return 64_000 if gpus(wildcards) else 4_000


def sampled_branches(wildcards):
    return expand(
        "results/{scale}/branches/{family}/{branch}/seed{seed}/model",
        scale=wildcards.scale,
        family=wildcards.family,
        branch=study.branches_of(wildcards.family),
        seed=wildcards.seed,
    )


def sampled_models(wildcards, input):
    """Options that name the folder of every model that is sampled."""
    folders = [input.warmup, *input.branches]
    return [
        f"--model {name}={folder}"
        for name, folder in zip(study.models_of(wildcards.family), folders)
    ]


def num_shards(wildcards):
    return family_settings(wildcards).sampling.shards


def shards(wildcards):
    """What the shards of a family's sampling make; nothing where one job draws all samples."""
    count = num_shards(wildcards)
    if count == 1:
        return []
    return expand(
        "results/{scale}/samples/{family}/seed{seed}.shards/{shard}.json",
        scale=wildcards.scale,
        family=wildcards.family,
        seed=wildcards.seed,
        shard=range(count),
    )


def seeds(wildcards, family):
    """The run's own seeds if it was given any, else those of the family."""
    return study.seeds_of(RUN, wildcards.scale, family)


def tables(scale):
    return expand(
        "results/{scale}/tables/{item}.{kind}",
        scale=scale,
        item=study.items_at(scale, "table"),
        kind=["csv", "md", "tex", "html"],
    )


def figures(scale):
    return expand(
        "paper_figures/{scale}/{item}.{kind}",
        scale=scale,
        item=study.items_at(scale, "figure"),
        kind=["pdf", "png"],
    )


def outcomes(wildcards):
    """The scored outcomes of every seed that an item is made from; not all items need any."""
    item = study.read_paper_item(wildcards.item)
    if item.analytic or item.of_training:
        return []
    return of_every_seed(wildcards, [item.family], "outcomes.parquet")


def scores(wildcards):
    """The scores of every seed, for an item that is made from the reward of every sample."""
    item = study.read_paper_item(wildcards.item)
    if not item.needs_scores:
        return []
    return of_every_seed(wildcards, [item.family], "parquet")


def steps(wildcards):
    """The training records of every branch and seed, for an item about the training itself."""
    item = study.read_paper_item(wildcards.item)
    if not item.of_training:
        return []
    return expand(
        "results/{scale}/branches/{family}/{branch}/seed{seed}/steps.parquet",
        scale=wildcards.scale,
        family=item.family,
        branch=item.branches,
        seed=seeds(wildcards, item.family),
    )


def item_files(wildcards, input):
    """Options that name an item's files; those of a branch by the branch's folder."""
    return [f"--scores {path}" for path in input.scores] + [
        f"--steps {Path(path).parts[-3]}={path}" for path in input.steps
    ]


def of_every_seed(wildcards, families, ending):
    """The files of scores of some families, of every seed of each."""
    return [
        f"results/{wildcards.scale}/scores/{family}/seed{seed}.{ending}"
        for family in families
        for seed in seeds(wildcards, family)
    ]


def claims(scale):
    return expand(
        ["results/{scale}/claims.{table}", "paper_figures/{scale}/claims.{picture}"],
        scale=scale,
        table=["csv", "md", "html"],
        picture=["pdf", "png"],
    )


def claim_files(wildcards, input):
    """Options that name the files of each family, which is their folder."""
    return [
        f"--{kind} {Path(path).parent.name}={path}"
        for kind in ("outcomes", "scores")
        for path in input[kind]
    ]


def descriptions(scale):
    return expand(
        "results/{scale}/{page}.html", scale=scale, page=["settings", "timings"]
    )


def run_options(*names):
    """Options that pass on what this run has of its own, in place of its scale's."""
    given = RUN.model_dump(include=set(names), exclude_none=True)
    return [
        f"--{name} {value}"
        for name, values in given.items()
        for value in (values if isinstance(values, (list, tuple)) else [values])
    ]


# --- the report -----------------------------------------------------------------------------


def item_caption(wildcards):
    item = study.read_paper_item(wildcards.item)
    of = () if item.analytic else seeds(wildcards, item.family)
    return captions.of_item(item, wildcards.scale, of)


def claims_caption(wildcards):
    scale = wildcards.scale
    families = claim_sheets.families_at(scale) + claim_sheets.families_by_sample(scale)
    return captions.of_claims(
        scale, {family: seeds(wildcards, family) for family in families}
    )


def item_subcategory(wildcards):
    """The family that an item is about."""
    item = study.read_paper_item(wildcards.item)
    return "strategies alone" if item.analytic else item.family


def item_labels(kind, file):
    """What the report's list of items shows of each.

    Of labels after the first that have two values, one for each half of a list, Snakemake makes a
    switch between the halves; so the first says everything, and the second is the same for all.
    """
    return lambda w: {
        kind: f"{w.item}: {study.read_paper_item(w.item).title}",
        "File": file,
    }
