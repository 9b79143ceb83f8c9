"""Sizes of a decoder, and the options in which model families differ.

No layer reads the name of a family: each difference is a field.
"""

import dataclasses
from typing import NamedTuple

ACTIVATIONS = ("silu", "gelu_tanh")
QK_NORMS = ("", "head", "whole")
SCALINGS = ("llama3", "linear")


@dataclasses.dataclass(frozen=True)
class RopeScaling:
  """Stretching of the rotary wavelengths beyond the first training's context.

  Attributes:
    factor: of the stretched waves.
    low_freq_factor, high_freq_factor: of `llama3`: waves that turn less often
      than the first in `original_context` are stretched, those that turn more
      often than the second are kept, between them it blends.
    original_context: of `llama3`, tokens.
    kind: `llama3`, or `linear`: all waves are stretched.
  """

  factor: float = 8.0
  low_freq_factor: float = 1.0
  high_freq_factor: float = 4.0
  original_context: int = 8192
  kind: str = "llama3"


class LayerKind(NamedTuple):
  """What tells the attention of one layer from that of others.

  Attributes:
    local: a token sees the last `DecoderConfig.window` tokens only.
    rotated: positions turn queries and keys.
  """

  local: bool = False
  rotated: bool = True


ORDINARY = LayerKind()


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """Sizes of a decoder, and the options in which model families differ.

  Attributes:
    tied: the output matrix is the embedding.
    rope_factors: divide the rotary frequencies, one for each pair of features.
    family: see `models.families`.
    biases: names of the linear maps that add a bias.
    qk_norm: RMSNorm of queries and keys before the rotation: none (""), of
      each `head`, or of all heads as one vector (`whole`).
    pre_norm: RMSNorm of what attention and MLP read.
    post_norm: RMSNorm of what they add to the residual stream.
    norm_shift: every RMSNorm multiplies by norm_shift + weight.
    embed_scale: factor of the embeddings.
    query_scale: factor of the attention scores; None: head_dim ** -0.5.
    activation: of the gate, `silu` or `gelu_tanh`.
    window: tokens that a token of a local layer sees, itself among them.
    local_layers: numbers of the local layers.
    local_rope_theta: rotary base of the local layers, which are then not
      scaled; None: as in all others.
    unrotated_layers: numbers of the layers without rotary positions.
  """

  vocab_size: int
  dim: int
  layers: int
  heads: int
  kv_heads: int
  head_dim: int
  mlp_dim: int
  rope_theta: float = 10000.0
  norm_eps: float = 1e-5
  context: int = 8192  # tokens
  tied: bool = True
  rope_scaling: RopeScaling | None = None
  rope_factors: tuple[float, ...] | None = None
  family: str = "llama"
  biases: tuple[str, ...] = ()
  qk_norm: str = ""
  pre_norm: bool = True
  post_norm: bool = False
  norm_shift: float = 0.0
  embed_scale: float = 1.0
  query_scale: float | None = None
  activation: str = "silu"
  window: int = 0
  local_layers: tuple[int, ...] = ()
  local_rope_theta: float | None = None
  unrotated_layers: tuple[int, ...] = ()

  def __post_init__(self):
    if self.heads % self.kv_heads:
      raise ValueError(
        f"{self.heads} heads are not divisible by {self.kv_heads} key-value "
        "heads: set kv_heads to a divisor of heads"
      )
    for name, known in (("activation", ACTIVATIONS), ("qk_norm", QK_NORMS)):
      if getattr(self, name) not in known:
        raise ValueError(
          f"{name} {getattr(self, name)!r} is unknown: use one of {known}"
        )
    if self.local_layers and self.window < 1:
      raise ValueError(
        f"window {self.window} of the local layers must be at least 1"
      )

  @property
  def linear_shapes(self) -> dict[str, tuple[int, int]]:
    """Name -> (in, out) of each linear map of a layer."""
    q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
    return {
      "q": (self.dim, q),
      "k": (self.dim, kv),
      "v": (self.dim, kv),
      "o": (q, self.dim),
      "gate": (self.dim, self.mlp_dim),
      "up": (self.dim, self.mlp_dim),
      "down": (self.mlp_dim, self.dim),
    }

  @property
  def norm_sizes(self) -> dict[str, int]:
    """Name -> length of the weights of each norm of a layer."""
    sizes = {}
    if self.pre_norm:
      sizes |= {"attn_norm": self.dim, "mlp_norm": self.dim}
    if self.post_norm:
      sizes |= {"attn_post_norm": self.dim, "mlp_post_norm": self.dim}
    if self.qk_norm:
      whole = self.qk_norm == "whole"
      sizes["q_norm"] = self.head_dim * (self.heads if whole else 1)
      sizes["k_norm"] = self.head_dim * (self.kv_heads if whole else 1)
    return sizes

  @property
  def layer_kinds(self) -> tuple[LayerKind, ...]:
    """The kind of each layer."""
    local, unrotated = set(self.local_layers), set(self.unrotated_layers)
    return tuple(
      LayerKind(i in local, i not in unrotated) for i in range(self.layers)
    )
