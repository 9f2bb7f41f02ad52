#!/usr/bin/env bash
# Installs the packages of a lock, and nothing else: pip resolves nothing. `make` runs it on
# envs/*.lock; in envs/*.post-deploy.sh, which fill the conda environments, the lock is within.
set -euo pipefail
pins=$(cat "$1")

# a package of the user's own, outside the environment, must not pass for one of these, and none of
# these may end up there
unset PYTHONPATH
export PYTHONNOUSERSITE=1 PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
torch_index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}

install_pins() {
  python -m pip install --quiet --no-deps --requirement <(printf '%s\n' "$pins" | grep "$@")
}

if grep -q '^pycosat==' <<< "$pins" && ! install_pins '^pycosat==' > /dev/null 2>&1; then
  echo "pycosat is left out, which has to be compiled and could not be: is there a C compiler?" \
    "Only problems from reasoning_gym need it: the scale small has some, laptop and paper do not." >&2
  pins=$(grep -v '^pycosat==' <<< "$pins")
fi

# torch's build for CPUs is on an index of its own, which is asked for nothing else, and only where
# the configured ones do not have it; one that does not answer is given up after seconds
if grep -q '^torch==.*+cpu' <<< "$pins" && ! install_pins '^torch==' 2> /dev/null; then
  echo "torch's build for CPUs is not on the configured package indexes: asking $torch_index" >&2
  PIP_INDEX_URL=$torch_index PIP_DEFAULT_TIMEOUT=15 PIP_RETRIES=1 install_pins '^torch==' || {
    echo "error: torch could not be installed from there either (see above)." \
      "Set TORCH_INDEX to an index that has it, or pip's find-links to a folder with its wheel." >&2
    exit 1
  }
fi
install_pins '^[^#]'
