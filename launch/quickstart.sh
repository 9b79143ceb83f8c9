#!/usr/bin/env bash
# The whole pipeline: from a fresh clone to a better LLM, on a laptop CPU.
#   bash launch/quickstart.sh [driving] [--config.FIELD=VALUE ...]
# Sets up .venv, then collects, annotates, trains and evaluates; the report
# is runs/quickstart/report.html (runs/quickstart_driving for driving).
# If you start it again, it resumes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install
name=quickstart
if [ "${1:-}" = driving ]; then
  name=quickstart_driving
  shift
fi
exec .venv/bin/python -m launch.pipeline --config="configs/$name.py" \
  --workdir="runs/$name" "$@"
