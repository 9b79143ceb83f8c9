#!/usr/bin/env bash
# A teacher on this machine: sets up .venv, then serves a model until Ctrl-C.
#   bash launch/teacher.sh [--model=FILE.gguf] [--port=8000]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install serve
exec .venv/bin/python -m launch.serve "$@"
