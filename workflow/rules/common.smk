"""The configuration, checked, how a job finds the package, and the inputs that are computed."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

PACKAGE = Path(workflow.basedir) / "workflow"
sys.path.insert(0, str(PACKAGE))

from compute_aligned.config import checks, fingerprints, regimes
from compute_aligned.config import claims as claim_sheets
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.reading import read_run
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.sources import local_files
from compute_aligned.config.study import read_study
from compute_aligned.describe import screen
from compute_aligned.files.errors import InputError
from compute_aligned.paper import captions, forms
from compute_aligned.paper.form import OUTCOMES

try:
    RUN = read_run(config)
    STUDY = read_study(RUN.scale)
    checks.check(STUDY)
    checks.check_claims(STUDY)
    forms.check(STUDY)
except InputError as error:
    raise WorkflowError(str(error)) from None

# envs/ has a CPU and a GPU form of what differs between them
FORM = ".gpu" if (RUN.device or STUDY.settings.device) == "cuda" else ""
# no parameter of the jobs: where they compute is no reason to run them again
DEVICE = f" --device {RUN.device}" if RUN.device else ""

# jobs find the package here, with or without conda; in an environment of conda's nothing else of the
# user's own (~/.local) may take the place of a package in it
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
# memory that a training step frees is kept for the next one (glibc), which saves 6% of its CPU time
KEEP_MEMORY = "MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=1073741824"
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH='{PACKAGE}' {KEEP_MEMORY}"
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
    branches = [
        f"{family}(__[a-z0-9_]+)?(?=/{branch}/)"  # cells of a map are named after their family
        for (family, branch), row in STUDY.rows.items()
        if row.fine_tuned == (kind == "sft")
    ]
    return "|".join(branches) or "(?!)"


def experiment(wildcards):
    return read_study(wildcards.scale).experiment(wildcards.family)


def rl_problems(wildcards):
    """The problems of branches that the job of their warm-up trains too, where it does."""
    if not read_study(wildcards.scale).settings.train_together:
        return []
    return f"results/{wildcards.scale}/prepared/{wildcards.family}/seed{wildcards.seed}/rl.jsonl"


def start_model(wildcards):
    """The model that a branch is trained from: its family's warm-up, or another of its branches."""
    family = wildcards.family
    start = experiment(wildcards).start_of(wildcards.branch)
    kind = f"warmup/{family}" if start == WARMUP else f"branches/{family}/{start}"
    return f"results/{wildcards.scale}/{kind}/seed{wildcards.seed}/model"


def fetched(wildcards):
    """The record of the checkpoint that a family starts from; nothing for models from scratch."""
    model = experiment(wildcards).settings.model
    if not isinstance(model, PretrainedModel):
        return []
    return f"results/{wildcards.scale}/models/{model.checkpoint}.json"


def engine(wildcards):
    return RUN.engine or read_study(wildcards.scale).settings.engine


def gpus(wildcards):
    """GPUs that a model is trained or sampled on, for schedulers that hand them out."""
    return int((RUN.device or read_study(wildcards.scale).settings.device) == "cuda")


def memory_mb(wildcards):
    """Main memory for a model: a scale for GPUs has large ones."""
    return 64_000 if gpus(wildcards) else 4_000


def sampled_branches(wildcards):
    return expand(
        "results/{scale}/branches/{family}/{branch}/seed{seed}/model",
        scale=wildcards.scale,
        family=wildcards.family,
        branch=list(experiment(wildcards).branches),
        seed=wildcards.seed,
    )


def sampled_models(wildcards, input):
    """Options that name the folder of every model that is sampled."""
    folders = [input.warmup, *input.branches]
    return [
        f"--model {name}={folder}"
        for name, folder in zip(experiment(wildcards).models, folders)
    ]


def num_shards(wildcards):
    return experiment(wildcards).settings.sampling.shards


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
    return read_study(wildcards.scale).experiment(family).seeds_in(RUN)


def tables(scale):
    return expand(
        "results/{scale}/tables/{item}.{kind}",
        scale=scale,
        item=read_study(scale).shown("table"),
        kind=["csv", "md", "tex", "html"],
    )


def figures(scale):
    return expand(
        "paper_figures/{scale}/{item}.{kind}",
        scale=scale,
        item=read_study(scale).shown("figure"),
        kind=["pdf", "png"],
    )


def row(wildcards):
    return read_study(wildcards.scale).row(wildcards.item)


def outcomes(wildcards):
    """The scored outcomes of every seed, for an item that is made from metrics of problems."""
    item = row(wildcards)
    ending = OUTCOMES.get(forms.form_of(item).given)
    return of_every_seed(wildcards, [item.family], ending) if ending else []


def scores(wildcards):
    """The scores of every seed, for an item that is made from the worth of every sample."""
    item = row(wildcards)
    given = forms.form_of(item).given
    if given == "summary":
        needed = read_study(wildcards.scale).experiment(item.family).is_pool
    else:
        needed = given in ("scores", "scores_and_steps")
    return of_every_seed(wildcards, [item.family], "parquet") if needed else []


def steps(wildcards):
    """The training records of every branch and seed, for an item about the training itself."""
    item = row(wildcards)
    if forms.form_of(item).given not in ("steps", "scores_and_steps"):
        return []
    return expand(
        "results/{scale}/branches/{family}/{branch}/seed{seed}/steps.parquet",
        scale=wildcards.scale,
        family=item.family,
        branch=item.branches,
        seed=seeds(wildcards, item.family),
    )


def cells(wildcards):
    """The records of the cells of a map, for an item that is made from them."""
    runs = read_study(wildcards.scale).cells_of(row(wildcards))
    return [f"results/{wildcards.scale}/cells/{run}.parquet" for run in runs]


def item_files(wildcards, input):
    """Options that name an item's files; those of a branch by the branch's folder."""
    return (
        [f"--scores {path}" for path in input.scores]
        + [f"--steps {Path(path).parts[-3]}={path}" for path in input.steps]
        + [f"--cells {Path(path).stem}={path}" for path in input.get("cells", [])]
    )


def of_every_seed(wildcards, families, ending):
    """The files of scores of some families, of every seed of each."""
    return [
        f"results/{wildcards.scale}/scores/{family}/seed{seed}.{ending}"
        for family in families
        for seed in seeds(wildcards, family)
    ]


def claims(scale):
    if not claim_sheets.rows_at(read_study(scale)):
        return []  # a map has no family that claims are about
    results = ["claims.csv", "claims.md", "claims.html", "verdicts.csv"]
    figures = [f"paper_figures/{scale}/claims.{kind}" for kind in ("pdf", "png")]
    return [f"results/{scale}/{name}" for name in results] + figures


def claim_files(wildcards, input):
    """Options that name the files of each family, which is their folder."""
    return [
        f"--{kind} {Path(path).parent.name}={path}"
        for kind in ("outcomes", "scores", "temperatures")
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
    return captions.of_row(read_study(wildcards.scale), wildcards.item, RUN)


def claims_caption(wildcards):
    study = read_study(wildcards.scale)
    families = claim_sheets.families_at(study) + claim_sheets.families_by_sample(study)
    experiments = [study.experiment(family) for family in dict.fromkeys(families)]
    judged_on = [(each, each.seeds_in(RUN)) for each in experiments]
    return captions.of_claims(len(claim_sheets.read_claims()), judged_on)


def item_labels(kind, file):
    """What the report's list of items shows of each.

    Of labels after the first that have two values, one for each half of a list, Snakemake makes a
    switch between the halves; so the first says everything, and the second is the same for all.
    """
    return lambda w: {kind: f"{w.item}: {row(w).title}", "File": file}
