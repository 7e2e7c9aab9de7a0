#!/usr/bin/env bash
# Fine-tune a model for text-to-SQL: what `txt2sql train` does.
#
#   scripts/train.sh lora --model phi-2 --epochs 3
#   scripts/train.sh dora --model llama-7b --epochs 3
set -euo pipefail
cd "$(dirname "$0")/.."
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec "$python" -m txt2sql train "$@"
