#!/usr/bin/env bash
# Serves the model in /model (a local folder of weights) under the name that Domicile is configured with. No hub is asked.
#
# With TLS_CERT_FILE and TLS_KEY_FILE it speaks HTTPS, which Domicile requires of a model on another machine or in another container.
#
# Even when told to listen on one address, the scheduler opens a random port on all interfaces: keep it on a network of its own.
set -euo pipefail
: "${MODEL_NAME:?set DOMICILE_LLM_MODEL to the name under which the model is served}"
tls=()
if [[ -n ${TLS_CERT_FILE:-} ]]; then
  tls=(--ssl-certfile "$TLS_CERT_FILE" --ssl-keyfile "${TLS_KEY_FILE:?set it with TLS_CERT_FILE}")
fi
exec python3 -m sglang.launch_server \
  --model-path "${MODEL_PATH:-/model}" \
  --served-model-name "$MODEL_NAME" \
  --host "${SGLANG_HOST:-0.0.0.0}" \
  --port "${SGLANG_PORT:-30000}" \
  ${tls[@]+"${tls[@]}"} \
  --enable-metrics \
  --enable-cache-report \
  ${SGLANG_ARGS:-}
