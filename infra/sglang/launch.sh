#!/usr/bin/env bash
# Serves the model in /model (a local folder of weights) under the name that Domicile is configured with. No hub is asked.
#
# Even when told to listen on one address, the scheduler opens a random port on all interfaces: keep it on a network of its own.
set -euo pipefail
: "${MODEL_NAME:?set DOMICILE_LLM_MODEL to the name under which the model is served}"
exec python3 -m sglang.launch_server \
  --model-path "${MODEL_PATH:-/model}" \
  --served-model-name "$MODEL_NAME" \
  --host "${SGLANG_HOST:-0.0.0.0}" \
  --port "${SGLANG_PORT:-30000}" \
  --enable-metrics \
  --enable-cache-report \
  ${SGLANG_ARGS:-}
