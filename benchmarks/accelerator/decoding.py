"""Decode tokens/s over random bfloat16 weights, prompts included."""

import types
from collections.abc import Iterator

import jax
import numpy as np

from benchmarks.accelerator import parts
from benchmarks.sizes import SIZES
from benchmarks.sizes import tiny as shrunk
from glimo_jax.models import generation, parameters

PROMPT, WRITTEN = 512, 64  # tokens
CASES = (("1b", 32), ("8b", 32), ("8b", 128))  # model, rows


def measure(tiny: bool) -> Iterator[parts.Row]:
  """A row for each model and batch."""
  # Nothing ends an answer, and nobody reads its text.
  tokenizer = types.SimpleNamespace(ends=frozenset(), decode=lambda ids: "")
  draw = jax.jit(parameters.init, static_argnums=(1, 2))
  loaded, params = None, None
  for size, rows in CASES:
    config = shrunk(SIZES[size]) if tiny else SIZES[size]
    if size != loaded:
      params = None  # before the next model is made
      params, loaded = draw(jax.random.key(0), config, "bfloat16"), size
    prompt, written = (16, 8) if tiny else (PROMPT, WRITTEN)
    rng = np.random.default_rng(0)
    ids = rng.integers(0, config.vocab_size, (rows, prompt)).tolist()
    settings = generation.GenerationSettings(written, 0.0, 1.0, ())
    took = parts.seconds(
      lambda c=config, p=params, i=ids, s=settings: generation.generate(
        c, p, None, tokenizer, None, i, list(range(len(i))), s
      ),
      2,
    )
    name = f"{size}, {rows} x ({prompt} + {written})"
    yield parts.Row("decoding", name, rows * written / took, "tokens/s")


if __name__ == "__main__":
  parts.run(measure)
