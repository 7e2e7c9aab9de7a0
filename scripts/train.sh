#!/usr/bin/env bash
# Fine-tune a model for text-to-SQL: what `txt2sql train` does.
#
#   scripts/train.sh lora --model phi-2 --epochs 3
#   scripts/train.sh dora --model llama-7b --epochs 3
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/bin/python
[ -x "$own" ] || own=python3
exec "${PYTHON:-$own}" -m txt2sql train "$@"
