#!/usr/bin/env bash
# The tests: sets up .venv, then runs the linter and pytest.
#   bash launch/test.sh [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install test
.venv/bin/ruff check .
.venv/bin/ruff format --check .
exec .venv/bin/python -m pytest -n 2 --dist loadfile --durations 20 "$@"
