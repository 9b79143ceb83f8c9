"""Writes an adapter as a GGUF file, which llama.cpp applies to its base model.

  llama-server -m BASE.gguf --lora ADAPTER.gguf

Format: https://github.com/ggml-org/llama.cpp, `llama_adapter_lora` in
src/llama-adapter.cpp: for each linear map `NAME.weight.lora_a`, [rank, in], and
`NAME.weight.lora_b`, [out, rank], and alpha.
"""

import gguf
import numpy as np

from glimo_jax import files
from glimo_jax.files import PathLike
from glimo_jax.models import families, lora
from glimo_jax.models.decoder_config import DecoderConfig
from glimo_jax.models.families import Family, TensorRow


def save(
  adapter: lora.Adapter, decoder_config: DecoderConfig, path: PathLike
) -> None:
  """Writes an adapter in float32.

  Args:
    adapter: in float32.
    decoder_config: of the base model.
    path: of the file; its folder is made where it is missing.

  Raises:
    ValueError: llama.cpp does not know the model's architecture.
  """
  family = families.find(decoder_config.family)
  rows = {
    row.path[1]: row
    for row in family.gguf
    if row.path[0] == "layers" and row.path[1] in lora.TARGETS
  }
  rank = next(iter(adapter.weights.values()))["a"].shape[-1]
  with files.replacing(path) as draft:
    writer = gguf.GGUFWriter(draft, _architecture(family, decoder_config))
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", adapter.scale * rank)
    for target, low in adapter.weights.items():
      row, a, b = rows[target], np.asarray(low["a"]), np.asarray(low["b"])
      for i in range(len(a)):
        name = row.name.format(adapter.first_layer + i)
        writer.add_tensor(f"{name}.lora_a", np.ascontiguousarray(a[i].T))
        heads = getattr(decoder_config, row.heads)
        writer.add_tensor(f"{name}.lora_b", _stored(row, b[i], heads))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _architecture(family: Family, config: DecoderConfig) -> str:
  """What llama.cpp calls the model."""
  names = (family.write_hf(config)["model_type"], *family.names)
  known = set(gguf.MODEL_ARCH_NAMES.values())
  for name in names:
    if name in known:
      return name
  raise ValueError(
    f"llama.cpp knows no architecture of {names}: export with --format=peft"
  )


def _stored(row: TensorRow, b: np.ndarray, heads: int) -> np.ndarray:
  """f32[out, rank] from [rank, out], its rows in the order of the file."""
  order = row.transform(np.arange(b.shape[1])[:, None], heads)[0]
  out = np.empty(b.shape[::-1], np.float32)
  out[order] = b.T
  return out
