#!/usr/bin/env bash
# The API pages: written to build/docs from the docstrings, without network.
#   bash launch/docs.sh
# A module that cannot be imported or documented is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source launch/install.sh
install test
rm -rf build/docs
.venv/bin/python -W error::UserWarning -m pdoc --docformat google --no-search \
  -o build/docs glimo_jax simulators
echo "API pages: build/docs/index.html"
