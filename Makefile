# make            set up .venv and run the pipeline at the scale of config/config.yaml
# make cost       what a run takes, before it starts; after it, estimate against actual; SCALE=paper,
#                 ARGS=--help
# make report     a finished run as one page, results/<scale>/report.html; SCALE=smoke for another
# make test       set up .venv and run every check: lint, types, unit tests, the smoke pipeline
# make test-slurm the cluster profile on a Slurm of one node, which it starts; part of `make test`
# make test-conda build the conda environments and run in them: minutes and 7 GB, not in `make test`
# make lint       the quick checks only
# make bench      time the batched ways beside slow and obvious ones; ARGS="--help" says more
# make figures    put what was timed into results/reference/, and write its tables anew
# make check-gpu  time a step of each paper-scale family and sampling on this machine's NVIDIA GPU
# make envs       write the locks and conda environments anew after a change of envs/packages.toml
# make schemas    write workflow/schemas/ anew after a change of what config/ may say
# make reference  copy a finished run to results/reference/; SCALE=small for that of another scale
# make regimes    the map of regimes: the families of laptop with a few settings varied, hours
# make setup      only set up .venv, for tests too
# make replication  a scale's verdicts on other seeds, kept beside its reference's; SEEDS=[20,21,22]
# make help       this list

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
.PHONY: all regimes cost report setup test test-slurm test-conda lint bench figures check-gpu envs schemas reference replication help

VENV := .venv
GPU_VENV := .venv-gpu
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/workflow
export PIP_DISABLE_PIP_VERSION_CHECK := 1

all: $(VENV)/run.stamp
	snakemake --cores all

regimes: $(VENV)/run.stamp
	snakemake --cores all --config scale=regimes

cost: $(VENV)/run.stamp
	python -m compute_aligned cost $(if $(SCALE),--scale $(SCALE)) $(ARGS)

report: $(VENV)/run.stamp
	python -m compute_aligned report $(if $(SCALE),--scale $(SCALE))

setup: $(VENV)/run.stamp $(VENV)/test.stamp

$(BIN)/python:
	"$(PYTHON)" -c 'import sys; assert (3, 11) <= sys.version_info < (3, 13), "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11"'
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/run.stamp: envs/run.lock envs/install.sh | $(BIN)/python
	bash envs/install.sh envs/run.lock
	touch $@

$(VENV)/test.stamp: envs/test.lock $(VENV)/run.stamp
	bash envs/install.sh envs/test.lock
	touch $@

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	snakemake --lint --config scale=smoke

test: lint test-slurm
	pytest --ignore=tests/slurm --ignore=tests/conda

# where Slurm cannot be installed its tests are skipped and counted as such; in CI that is a failure
test-slurm: setup
	.ci/install-slurm || [[ "$${CI:-}" != true ]]
	pytest tests/slurm

# where there is no conda, virtual environments stand in for its own
test-conda: setup
	pytest tests/conda

# without what only the comparison with trl needs, that comparison is left out
bench: $(VENV)/run.stamp
	bash envs/install.sh envs/bench.lock || true
	PYTHONPATH=tests:workflow python -m benchmarks $(ARGS)

figures: $(VENV)/run.stamp
	PYTHONPATH=tests:workflow python -m benchmarks.page

# the packages of the GPU environments in one, beside .venv, whose torch and vLLM are for CPUs
$(GPU_VENV)/stamp: envs/train.gpu.post-deploy.sh envs/sample.gpu.post-deploy.sh envs/report.post-deploy.sh
	"$(PYTHON)" -m venv $(GPU_VENV)
	grep -hE '^[A-Za-z0-9_.-]+==' $^ | grep -v '^torch==[^=]' | sort -u > $(GPU_VENV)/packages.lock
	PATH="$(CURDIR)/$(GPU_VENV)/bin:$$PATH" bash envs/install.sh $(GPU_VENV)/packages.lock
	touch $@

check-gpu:
	@command -v nvidia-smi > /dev/null \
	  || { echo "make check-gpu: no nvidia-smi here; run it on a machine with an NVIDIA GPU" >&2; exit 1; }
	$(MAKE) $(GPU_VENV)/stamp
	PYTHONPATH=tests:workflow $(GPU_VENV)/bin/python -m benchmarks.gpu

envs: setup
	python envs/write.py

schemas: $(VENV)/run.stamp
	python -m compute_aligned schemas

reference: $(VENV)/run.stamp
	python -m compute_aligned reference $(if $(SCALE),--scale $(SCALE))
	PYTHONPATH=tests:workflow python -m benchmarks.page

replication: SEEDS ?= [10,11,12,13,14,15,16,17,18,19]
replication: SCALE ?= laptop
replication: $(VENV)/run.stamp
	snakemake --cores all --config scale=$(SCALE) 'seeds=$(SEEDS)' -- results/$(SCALE)/verdicts.csv
	python -m compute_aligned reference --scale $(SCALE) --replication

help:
	@grep '^# make' Makefile | cut -c3-
