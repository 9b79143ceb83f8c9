"""Names of tensors that the families share, and llama.cpp's changes to them."""

from collections.abc import Mapping

import numpy as np

from glimo_jax.models.families import TensorRow, same, transpose

LAYER = "model.layers.{}."  # in Hugging Face's names
BLOCK = "blk.{}."  # in GGUF's
LINEAR = {  # ours -> Hugging Face's, GGUF's
  "q": ("self_attn.q_proj", "attn_q"),
  "k": ("self_attn.k_proj", "attn_k"),
  "v": ("self_attn.v_proj", "attn_v"),
  "o": ("self_attn.o_proj", "attn_output"),
  "gate": ("mlp.gate_proj", "ffn_gate"),
  "up": ("mlp.up_proj", "ffn_up"),
  "down": ("mlp.down_proj", "ffn_down"),
}
PRE_NORMS = {
  "attn_norm": "input_layernorm",
  "mlp_norm": "post_attention_layernorm",
}
QK_NORMS = {"q_norm": "self_attn.q_norm", "k_norm": "self_attn.k_norm"}
_GGUF_NORMS = {
  "attn_norm": "attn_norm",
  "mlp_norm": "ffn_norm",
  "attn_post_norm": "post_attention_norm",
  "mlp_post_norm": "post_ffw_norm",
  "q_norm": "attn_q_norm",
  "k_norm": "attn_k_norm",
}
INVERSE_FREQUENCIES = r".*rotary_emb\.inv_freq"  # computed, not learned


def hf_tensors(norms: Mapping[str, str]) -> tuple[TensorRow, ...]:
  """Rows of a Hugging Face folder.

  Args:
    norms: our names of a layer's norms -> their modules.
  """
  rows = [
    TensorRow("model.embed_tokens.weight", ("embed",)),
    TensorRow("model.norm.weight", ("norm",)),
    TensorRow("lm_head.weight", ("head",)),
  ]
  for ours, module in norms.items():
    rows.append(TensorRow(f"{LAYER}{module}.weight", ("layers", ours)))
  for ours, (module, _) in LINEAR.items():
    name = f"{LAYER}{module}"
    rows.append(TensorRow(f"{name}.weight", ("layers", ours), transpose))
    rows.append(TensorRow(f"{name}.bias", ("layers", f"{ours}_bias")))
  return tuple(rows)


def _unpermute(x: np.ndarray, heads: int) -> np.ndarray:
  """Undoes llama.cpp's interleaving of the two rotary halves of Q and K."""
  pairs = x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:])
  return pairs.swapaxes(1, 2).reshape(x.shape).T


def _minus_one(x: np.ndarray, heads: int) -> np.ndarray:
  """Undoes llama.cpp's adding of 1 to the weights of norms."""
  del heads
  return x - 1


def gguf_tensors(
  permuted: bool = False, shifted: bool = False
) -> tuple[TensorRow, ...]:
  """Rows of a GGUF file.

  Args:
    permuted: it holds the rows of Q and K in llama.cpp's order.
    shifted: its norms hold 1 + weight.
  """
  norm = _minus_one if shifted else same
  rows = [
    TensorRow("token_embd.weight", ("embed",)),
    TensorRow("output_norm.weight", ("norm",), norm),
    TensorRow("output.weight", ("head",)),
  ]
  for ours, name in _GGUF_NORMS.items():
    row = TensorRow(f"{BLOCK}{name}.weight", ("layers", ours), norm)
    rows.append(row)
  for ours, (_, name) in LINEAR.items():
    turned = permuted and ours in "qk"
    transform = _unpermute if turned else transpose
    heads = "kv_heads" if ours == "k" else "heads"
    for kind, path in (("weight", ours), ("bias", f"{ours}_bias")):
      full = f"{BLOCK}{name}.{kind}"
      rows.append(TensorRow(full, ("layers", path), transform, heads))
  return tuple(rows)
