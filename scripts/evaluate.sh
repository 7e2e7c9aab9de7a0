#!/usr/bin/env bash
# Compare every model and strategy in one table: what `txt2sql evaluate-all` does.
#
#   scripts/evaluate.sh
#   scripts/evaluate.sh --limit 200 --max-cost 20
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/bin/python
[ -x "$own" ] || own=python3
exec "${PYTHON:-$own}" -m txt2sql evaluate-all "$@"
