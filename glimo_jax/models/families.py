"""What each model family calls its tensors, and how they become our params.

One `Family` per architecture: a table of rows (name, path, transform) for
each file format, and readers of its config. To add a family, add its tables
to FAMILIES. Ours: linear maps are [in, out], stacked over layers.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from glimo_jax.models.decoder import DecoderConfig, RopeScaling

Tensors = Mapping[str, Callable[[], np.ndarray]]  # name -> reads the tensor


def _same(x: np.ndarray, heads: int) -> np.ndarray:
  return x


def _transpose(x: np.ndarray, heads: int) -> np.ndarray:
  return x.T


def _unpermute(x: np.ndarray, heads: int) -> np.ndarray:
  """llama.cpp interleaves the two rotary halves of Q and K rows: undo it."""
  out, size = x.shape
  x = x.reshape(heads, out // heads // 2, 2, size).swapaxes(1, 2)
  return x.reshape(out, size).T


@dataclasses.dataclass(frozen=True)
class Row:
  """One kind of tensor: where it comes from and where it goes.

  `{}` in the name stands for the layer number. `heads` names the config field
  whose value the transform is given.
  """

  name: str
  path: tuple[str, ...]
  transform: Callable[[np.ndarray, int], np.ndarray] = _same
  heads: str = "heads"


@dataclasses.dataclass(frozen=True)
class Family:
  """Tables and config readers of one architecture."""

  hf: tuple[Row, ...]
  gguf: tuple[Row, ...]
  ignored: tuple[str, ...]
  read_hf: Callable[[Mapping[str, Any]], DecoderConfig]
  read_gguf: Callable[[Mapping[str, Any], Tensors], DecoderConfig]


def _llama_hf(c: Mapping[str, Any]) -> DecoderConfig:
  for field, wanted in (
    ("hidden_act", "silu"),
    ("attention_bias", False),
    ("mlp_bias", False),
  ):
    if c.get(field, wanted) != wanted:
      raise ValueError(
        f"config.json has {field}={c[field]!r}: only {wanted!r} is supported"
      )
  rope = c.get("rope_parameters") or c.get("rope_scaling") or {}
  kind = rope.get("rope_type", rope.get("type", "default"))
  scaling = None
  if kind == "llama3":
    scaling = RopeScaling(
      factor=rope["factor"],
      low_freq_factor=rope["low_freq_factor"],
      high_freq_factor=rope["high_freq_factor"],
      original_context=rope["original_max_position_embeddings"],
    )
  elif kind != "default":
    raise ValueError(
      f"config.json has rope type {kind!r}: supported are default and llama3"
    )
  heads = c["num_attention_heads"]
  return DecoderConfig(
    vocab_size=c["vocab_size"],
    dim=c["hidden_size"],
    layers=c["num_hidden_layers"],
    heads=heads,
    kv_heads=c.get("num_key_value_heads") or heads,
    head_dim=c.get("head_dim") or c["hidden_size"] // heads,
    mlp_dim=c["intermediate_size"],
    rope_theta=rope.get("rope_theta") or c.get("rope_theta", 10000.0),
    norm_eps=c.get("rms_norm_eps", 1e-6),
    context=c.get("max_position_embeddings", 2048),
    tied=c.get("tie_word_embeddings", False),
    rope_scaling=scaling,
  )


def _llama_gguf(meta: Mapping[str, Any], tensors: Tensors) -> DecoderConfig:
  def get(key, default=None):
    value = meta.get(f"llama.{key}", default)
    if value is None:
      raise ValueError(f"GGUF metadata lacks llama.{key}: convert it again")
    return value

  kind = meta.get("llama.rope.scaling.type", "none")
  if kind not in ("none", "llama3"):
    raise ValueError(
      f"GGUF has rope scaling {kind!r}: supported are none and llama3"
    )
  heads = get("attention.head_count")
  factors = tensors.get("rope_freqs.weight")
  return DecoderConfig(
    vocab_size=len(meta["tokenizer.ggml.tokens"]),
    dim=get("embedding_length"),
    layers=get("block_count"),
    heads=heads,
    kv_heads=get("attention.head_count_kv", heads),
    head_dim=get("rope.dimension_count", get("embedding_length") // heads),
    mlp_dim=get("feed_forward_length"),
    rope_theta=float(get("rope.freq_base", 10000.0)),
    norm_eps=float(np.float32(get("attention.layer_norm_rms_epsilon"))),
    context=get("context_length"),
    tied="output.weight" not in tensors,
    rope_factors=tuple(factors().tolist()) if factors else None,
  )


_LLAMA_HF = (
  Row("model.embed_tokens.weight", ("embed",)),
  Row("model.norm.weight", ("norm",)),
  Row("lm_head.weight", ("head",)),
  Row("model.layers.{}.input_layernorm.weight", ("layers", "attn_norm")),
  Row(
    "model.layers.{}.post_attention_layernorm.weight", ("layers", "mlp_norm")
  ),
  Row("model.layers.{}.self_attn.q_proj.weight", ("layers", "q"), _transpose),
  Row("model.layers.{}.self_attn.k_proj.weight", ("layers", "k"), _transpose),
  Row("model.layers.{}.self_attn.v_proj.weight", ("layers", "v"), _transpose),
  Row("model.layers.{}.self_attn.o_proj.weight", ("layers", "o"), _transpose),
  Row("model.layers.{}.mlp.gate_proj.weight", ("layers", "gate"), _transpose),
  Row("model.layers.{}.mlp.up_proj.weight", ("layers", "up"), _transpose),
  Row("model.layers.{}.mlp.down_proj.weight", ("layers", "down"), _transpose),
)
_LLAMA_GGUF = (
  Row("token_embd.weight", ("embed",)),
  Row("output_norm.weight", ("norm",)),
  Row("output.weight", ("head",)),
  Row("blk.{}.attn_norm.weight", ("layers", "attn_norm")),
  Row("blk.{}.ffn_norm.weight", ("layers", "mlp_norm")),
  Row("blk.{}.attn_q.weight", ("layers", "q"), _unpermute),
  Row("blk.{}.attn_k.weight", ("layers", "k"), _unpermute, "kv_heads"),
  Row("blk.{}.attn_v.weight", ("layers", "v"), _transpose),
  Row("blk.{}.attn_output.weight", ("layers", "o"), _transpose),
  Row("blk.{}.ffn_gate.weight", ("layers", "gate"), _transpose),
  Row("blk.{}.ffn_up.weight", ("layers", "up"), _transpose),
  Row("blk.{}.ffn_down.weight", ("layers", "down"), _transpose),
)

FAMILIES = {
  "llama": Family(
    hf=_LLAMA_HF,
    gguf=_LLAMA_GGUF,
    ignored=(r".*rotary_emb\.inv_freq", r"rope_freqs\.weight"),
    read_hf=_llama_hf,
    read_gguf=_llama_gguf,
  )
}


def find(architecture: str) -> Family:
  """The family of an architecture name; ValueError lists those supported."""
  if architecture not in FAMILIES:
    raise ValueError(
      f"architecture {architecture!r} is not supported: use one of "
      f"{sorted(FAMILIES)}, or add its table to glimo_jax/models/families.py"
    )
  return FAMILIES[architecture]


def _shapes(config: DecoderConfig) -> dict[tuple[str, ...], tuple[int, ...]]:
  """Path -> shape of every array of params."""
  n, vocab = config.layers, (config.vocab_size, config.dim)
  shapes = {("embed",): vocab, ("norm",): (config.dim,)}
  if not config.tied:
    shapes["head",] = vocab
  for name, shape in config.linear_shapes.items():
    shapes["layers", name] = (n, *shape)
  for name in ("attn_norm", "mlp_norm"):
    shapes["layers", name] = (n, config.dim)
  return shapes


def assemble(
  config: DecoderConfig,
  rows: Iterable[Row],
  ignored: Iterable[str],
  tensors: Tensors,
  dtype,
) -> dict[str, Any]:
  """Named tensors -> params, stacked over layers, in `dtype` (numpy).

  Raises:
    ValueError: all tensors that are missing, unexpected or misshapen, at once.
  """
  shapes = _shapes(config)
  arrays = {path: np.empty(shape, dtype) for path, shape in shapes.items()}
  wanted = {
    row.name.format(i): (row, i)
    for row in rows
    if row.path in shapes
    for i in range(config.layers if "{}" in row.name else 1)
  }
  skipped = re.compile("|".join(ignored))
  # A tied checkpoint may still repeat its embedding as the head.
  tied = {row.name for row in rows if row.path == ("head",)} - set(wanted)
  problems = [f"missing {name}" for name in wanted if name not in tensors]
  for name, read in tensors.items():
    if name not in wanted:
      if not skipped.fullmatch(name) and name not in tied:
        problems.append(f"unexpected {name}")
      continue
    row, layer = wanted[name]
    target = arrays[row.path]
    if row.path[0] == "layers":
      target = target[layer]
    value = row.transform(read(), getattr(config, row.heads))
    if value.shape != target.shape:
      problems.append(f"{name} gives {value.shape}, not {target.shape}")
      continue
    target[...] = value
  if problems:
    raise ValueError(
      f"{len(problems)} tensors do not fit the model: "
      + "; ".join(sorted(problems)[:20])
      + ": check that config and weights belong together"
    )
  params: dict[str, Any] = {"layers": {}}
  for path, array in arrays.items():
    (params["layers"] if path[0] == "layers" else params)[path[-1]] = array
  return params
