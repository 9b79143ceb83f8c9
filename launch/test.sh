#!/usr/bin/env bash
# The tests: sets up .venv, then runs linter, type checker, API pages, pytest.
#   bash launch/test.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install test
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/basedpyright --level error
bash launch/docs.sh
# A worker that dies ends the run: with --dist loadfile a new one may wait for
# ever (pytest-xdist issue 784).
exec .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
  --max-worker-restart 0 --durations 20 "$@"
