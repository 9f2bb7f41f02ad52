# make            set up .venv and run the pipeline at the scale of config/config.yaml
# make cost       what a run takes, before it starts; after it, estimate against actual; SCALE=paper
# make report     a finished run as one page, results/<scale>/report.html; SCALE=smoke for another
# make test       set up .venv and run every check: lint, types, unit tests, the smoke pipeline
# make test-slurm the cluster profile on a Slurm of one node, which it starts; part of `make test`
# make lint       the quick checks only
# make bench      time the batched ways beside slow and obvious ones; ARGS="--help" says more
# make check-gpu  time a step of each paper-scale family and sampling on this machine's NVIDIA GPU
# make schemas    write workflow/schemas/ anew after a change of settings.py
# make reference  copy a finished run to results/reference/; SCALE=small for that of another scale
# make setup      only set up .venv, for tests too
# make help       this list

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
.PHONY: all cost report setup test test-slurm lint bench check-gpu schemas reference help

VENV := .venv
GPU_VENV := .venv-gpu
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# asked only where the configured package indexes have no CPU build of torch
TORCH_INDEX := https://download.pytorch.org/whl/cpu

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)/workflow
export PIP_DISABLE_PIP_VERSION_CHECK := 1

all: $(VENV)/run.stamp
	snakemake --cores all

cost: $(VENV)/run.stamp
	python -m compute_aligned cost $(if $(SCALE),--scale $(SCALE))

report: $(VENV)/run.stamp
	python -m compute_aligned report $(if $(SCALE),--scale $(SCALE))

setup: $(VENV)/run.stamp $(VENV)/test.stamp

$(BIN)/python:
	"$(PYTHON)" -c 'import sys; assert (3, 11) <= sys.version_info < (3, 13), "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11"'
	"$(PYTHON)" -m venv $(VENV)

# --no-deps: the lock names every package, so nothing is resolved and nothing unwanted comes along
$(VENV)/run.stamp: envs/run.lock | $(BIN)/python
	grep '^torch==' envs/run.lock > $(VENV)/torch.txt
	pip install --quiet --no-deps -r $(VENV)/torch.txt \
	  || pip install --quiet --no-deps -r $(VENV)/torch.txt --extra-index-url $(TORCH_INDEX)
	pip install --quiet --no-deps -r envs/run.lock
	touch $@

$(VENV)/test.stamp: envs/test.lock $(VENV)/run.stamp
	pip install --quiet --no-deps -r envs/test.lock
	touch $@

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	snakemake --lint --config scale=smoke

test: lint test-slurm
	pytest --ignore=tests/slurm

# where Slurm cannot be installed its tests are skipped and counted as such; in CI that is a failure
test-slurm: setup
	.ci/install-slurm || [[ "$${CI:-}" != true ]]
	pytest tests/slurm

# without what only the comparison with trl needs, that comparison is left out
bench: $(VENV)/run.stamp
	pip install --quiet --no-deps -r envs/bench.lock || true
	PYTHONPATH=tests:workflow python -m benchmarks $(ARGS)

# the packages of the GPU environments in one, beside .venv, whose torch and vLLM are for CPUs
$(GPU_VENV)/stamp: envs/train.gpu.yaml envs/sample.gpu.yaml envs/report.yaml
	"$(PYTHON)" -m venv $(GPU_VENV)
	sed -n 's/^      - \([a-zA-Z].*==[^+]*\)$$/\1/p' $^ | sort -u > $(GPU_VENV)/packages.txt
	$(GPU_VENV)/bin/pip install --quiet -r $(GPU_VENV)/packages.txt
	touch $@

check-gpu:
	@command -v nvidia-smi > /dev/null \
	  || { echo "make check-gpu: no nvidia-smi here; run it on a machine with an NVIDIA GPU" >&2; exit 1; }
	$(MAKE) $(GPU_VENV)/stamp
	PYTHONPATH=tests:workflow $(GPU_VENV)/bin/python -m benchmarks.gpu

schemas: $(VENV)/run.stamp
	python -m compute_aligned schemas

reference: $(VENV)/run.stamp
	python -m compute_aligned reference $(if $(SCALE),--scale $(SCALE))

help:
	@grep '^# make' Makefile | cut -c3-
