"""Checkpoints: config, params and tokenizer of what `model.source` names."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import DTypeLike

from glimo_jax.models import families, parameters
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.loading import assembling, gguf_file, hf_folder, sources
from glimo_jax.models.tokenizer import Tokenizer

PyTree = Any
Loaded = tuple[DecoderConfig, PyTree, Tokenizer]


def load_tokenizer(source: str, revision: str = "") -> Tokenizer:
  """The tokenizer of a checkpoint alone; see `load`."""
  path = sources.locate(source, revision)
  if path.is_file():
    return Tokenizer.from_gguf(gguf_file.read(path)[0])
  return Tokenizer.from_folder(path)


def load(
  source: str,
  dtype: DTypeLike = jnp.float32,
  revision: str = "",
  mesh: Mesh | None = None,
) -> Loaded:
  """Config, params (in `dtype`) and tokenizer of a checkpoint.

  Args:
    source: "package:NAME" (an installed package that carries the weights), a
      .gguf file (of a split one: any part), a folder with config.json,
      tokenizer.json and *.safetensors, or a hub id "org/name" of such a folder;
      "random:SOURCE" for random weights with the sizes and the tokenizer of
      SOURCE.
    dtype: of the params and of the computation.
    revision: branch, tag or commit of a hub id; "" for its main branch.
    mesh: devices that the params are laid over while they are read; None for
      the default device.

  Raises:
    FileNotFoundError: it is not there; says how to get it.
    ValueError: truncated, or of an unsupported kind.
  """
  path = sources.locate(source, revision)
  if path.is_file():
    meta, tensors = gguf_file.read(path)
    family = families.find(meta["general.architecture"])
    config, rows = family.read_gguf(meta, tensors), family.gguf
    tokenizer = Tokenizer.from_gguf(meta)
  else:
    family, config = hf_folder.read_config(path)
    tensors, rows = hf_folder.read_safetensors(path), family.hf
    tokenizer = Tokenizer.from_folder(path)
  beyond = max(tokenizer.turn_ids)
  if beyond >= config.vocab_size:
    raise ValueError(
      f"weights {source!r}: the chat uses token {beyond}, and the model has "
      f"{config.vocab_size}: it could never write it; take model and tokenizer "
      "from one checkpoint"
    )
  if source.startswith(sources.RANDOM):
    params = parameters.placed(jax.random.key(0), config, dtype, mesh)
  else:
    params = assembling.assemble(
      config, rows, family.ignored, tensors, dtype, mesh
    )
  return config, params, tokenizer
