#!/usr/bin/env bash
# What one accelerator does, in at most eight minutes: steps/s of the worlds, the
# fused attention, training and decoding of 1B to 8B models, a restart.
#   bash benchmarks/accelerator.sh [--tiny] [--out=FOLDER] [--parts NAME ...]
# Needs Python 3.11 or newer ($PYTHON, else python3) with jax, flax, optax,
# orbax-checkpoint, tokenizers, jinja2, safetensors, tqdm and jaxtyping; no
# installation, no network. Weights are random. `--tiny` is for a CPU.
# Writes accelerator.json and accelerator.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD" HF_HUB_OFFLINE=1 XLA_PYTHON_CLIENT_MEM_FRACTION=.92
exec "${PYTHON:-python3}" -m benchmarks.accelerator "$@"
