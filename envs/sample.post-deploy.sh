#!/usr/bin/env bash
# vLLM for CPU requires these, and imports only without them: their builds do not fit torch's.
set -euo pipefail
python -m pip uninstall --yes torchvision torchaudio torchcodec
