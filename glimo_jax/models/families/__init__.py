"""Model families: what a checkpoint calls its tensors, and its config.

A family is the module of this folder with a `FAMILY`, which holds everything
about it. To add one, add a module; to `layers` add only what its blocks do
that no block does yet. Ours: linear maps are [in, out], stacked over layers.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from glimo_jax.models.decoder_config import DecoderConfig

Part = tuple[slice, ...]  # of a tensor; () is the whole


@dataclasses.dataclass(frozen=True)
class StoredTensor:
  """A tensor of a checkpoint; a call reads it, or a part of it.

  Attributes:
    shape: in the checkpoint.
    read: part -> array.
  """

  shape: tuple[int, ...]
  read: Callable[[Part], np.ndarray]

  def __call__(self, part: Part = ()) -> np.ndarray:
    return self.read(part)


Tensors = Mapping[str, StoredTensor]  # by name


def same(x: np.ndarray, heads: int) -> np.ndarray:
  """The tensor as it is."""
  del heads
  return x


def transpose(x: np.ndarray, heads: int) -> np.ndarray:
  """[out, in] -> [in, out], and back."""
  del heads
  return x.T


@dataclasses.dataclass(frozen=True)
class TensorRow:
  """One kind of tensor: its name in a checkpoint and its place in params.

  Attributes:
    name: in the checkpoint; `{}` stands for the layer number.
    path: in params; see `parameters.table`.
    transform: (tensor, heads) -> our array. In a table for Hugging Face it is
      its own inverse.
    heads: the config field whose value the transform is given.
  """

  name: str
  path: tuple[str, ...]
  transform: Callable[[np.ndarray, int], np.ndarray] = same
  heads: str = "heads"

  def stored_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape in the checkpoint of what is `shape` here."""
    return shape if self.transform is same else shape[::-1]

  def read(self, tensor: StoredTensor, heads: int, part: Part) -> np.ndarray:
    """A part of our array; reads no more of the tensor than it needs."""
    if self.transform is same:
      return tensor(part)
    if self.transform is transpose:
      return tensor(part[::-1]).T
    return self.transform(tensor(), heads)[part]


@dataclasses.dataclass(frozen=True)
class Family:
  """Everything that differs between families, but the block itself.

  Attributes:
    names: `model_type` in config.json and `general.architecture` in GGUF. The
      first is that of `DecoderConfig.family`.
    hf: tensors of a Hugging Face folder.
    gguf: tensors of a GGUF file.
    ignored: patterns of further tensor names, which carry no weights.
    read_hf: content of config.json -> our config.
    read_gguf: metadata and tensors of a GGUF -> our config.
    write_hf: our config -> content of config.json.
  """

  names: tuple[str, ...]
  hf: tuple[TensorRow, ...]
  gguf: tuple[TensorRow, ...]
  ignored: tuple[str, ...]
  read_hf: Callable[[Mapping[str, Any]], DecoderConfig]
  read_gguf: Callable[[Mapping[str, Any], Tensors], DecoderConfig]
  write_hf: Callable[[DecoderConfig], dict[str, Any]]

  def modules(self) -> dict[str, str]:
    """Array of a layer -> name of its Hugging Face module, with a `{}`."""
    return {
      row.path[1]: row.name.removesuffix(".weight")
      for row in self.hf
      if row.path[0] == "layers"
    }


def known() -> dict[str, Family]:
  """Name -> family, of all modules in this folder."""
  modules = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
  ]
  found = [m.FAMILY for m in modules if hasattr(m, "FAMILY")]
  return {name: family for family in found for name in family.names}


def find(architecture: str) -> Family:
  """The family of an architecture.

  Raises:
    ValueError: it is not supported; lists those that are.
  """
  families = known()
  if architecture not in families:
    raise ValueError(
      f"architecture {architecture!r} is not supported: use one of "
      f"{sorted(families)}, or add a module to glimo_jax/models/families"
    )
  return families[architecture]
