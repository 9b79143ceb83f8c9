#!/usr/bin/env bash
# Runs the quickstart afresh and compares it with the figures in the repository.
#   bash launch/reproduce.sh
# Prints whether each figure lies within its stated interval; exit code 1 if not.
# Bits per byte have no interval and are left out; their ratios to the base are in.
# Each commit has a folder runs/reproduce-COMMIT; an interrupted run resumes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install
workdir="runs/reproduce-$(git rev-parse --short HEAD)"
.venv/bin/python -m launch.pipeline --config=configs/quickstart.py \
  --workdir="$workdir"
exec .venv/bin/python -m benchmarks.checks.reproduce --workdir="$workdir"
