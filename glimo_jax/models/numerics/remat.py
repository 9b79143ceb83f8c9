"""What the backward pass of a layer recomputes instead of keeping it.

"Training Deep Nets with Sublinear Memory Cost",
https://arxiv.org/abs/1604.06174.
"""

from collections.abc import Callable
from typing import Any

import jax

POLICIES = ("none", "dots", "full")
SAVED = "linear"  # name of the arrays that `dots` keeps, for `checkpoint_name`


def remat(body: Callable[..., Any], policy: str) -> Callable[..., Any]:
  """A layer whose backward pass recomputes what the policy does not keep.

  Args:
    body: computes one layer.
    policy: `none` keeps all that the backward pass reads, `dots` the outputs
      of linear maps and of attention, `full` nothing but the layer's input.
  """
  if policy == "none":
    return body
  names = jax.checkpoint_policies.save_only_these_names(SAVED)
  keep = names if policy == "dots" else None
  return jax.checkpoint(body, policy=keep, prevent_cse=False)
