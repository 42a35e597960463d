#!/usr/bin/env bash
# Asks the official validators which callbacks they accept, and prints the answer into docs/reference/callbacks.md.
set -euo pipefail
cd "$(dirname "$0")/.."
MIDCALL_WRITE_DOCS=1 .venv/bin/pytest -q tests/webhooks/test_validators.py -k matrix
