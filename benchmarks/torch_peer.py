"""The same models in torch: transformers and PEFT, on as many threads."""

import contextlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import common
from glimo_jax.models.attention import attention_mask
from glimo_jax.types import Batch


def available() -> bool:
  """Whether torch, transformers and PEFT are installed; else says how."""
  try:
    import peft  # noqa: F401
    import torch
    import transformers
  except ImportError as error:
    common.missing(error.name or "torch")
    return False
  torch.set_num_threads(os.cpu_count() or 1)  # as XLA
  transformers.logging.set_verbosity_error()
  return True


def load(base: pathlib.Path, adapter: pathlib.Path | None = None) -> Any:
  """A float32 model of a folder; with an adapter, one to be trained."""
  import peft
  import torch
  import transformers

  model = transformers.AutoModelForCausalLM.from_pretrained(
    base, dtype=torch.float32
  )
  if adapter is None:
    return model.eval()
  return peft.PeftModel.from_pretrained(model, adapter, is_trainable=True)


class Trainer:
  """Steps of AdamW on a PEFT model, with the loss of `train.step`.

  Written as a careful user would: only scored positions reach the output
  matrix, and the reference is the model without its adapter.
  """

  def __init__(self, model: Any, lr: float, kl_coef: float, bfloat16: bool):
    """Takes a PEFT model.

    Args:
      model: from `load`.
      lr: learning rate of all steps.
      kl_coef: weight of the mean KL.
      bfloat16: compute in torch's autocast.
    """
    import torch

    self._torch, self._model, self._kl_coef = torch, model, kl_coef
    self._weights = [p for p in model.parameters() if p.requires_grad]
    self._adamw = torch.optim.AdamW(self._weights, lr=lr, weight_decay=0.0)
    self._low = bfloat16

  def step(self, batches: Sequence[Batch]) -> float:
    """One step; the loss before it."""
    torch = self._torch
    total = torch.zeros(4)  # CE, its weight, KL, its weight
    for batch in batches:
      total = total + self._sums(batch)
    loss = total[0] / total[1].clamp(min=1)
    loss = loss + self._kl_coef * total[2] / total[3].clamp(min=1)
    self._adamw.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
    self._adamw.step()
    return loss.item()

  def _sums(self, batch: Batch) -> Any:
    torch = self._torch
    seen = np.array(jax.device_get(attention_mask(batch.segment_ids)))[:, None]
    hidden = np.finfo(np.float32).min
    inputs = {
      "input_ids": torch.from_numpy(batch.tokens).long(),
      "position_ids": torch.from_numpy(np.array(batch.positions)).long(),
      "attention_mask": torch.from_numpy(
        np.where(seen, np.float32(0), np.float32(hidden))
      ),
    }
    ce_weight, kl_weight, probs = map(
      torch.from_numpy, (batch.ce_weight, batch.kl_weight, batch.target_probs)
    )
    policy = self._logp(inputs, batch)
    ids = torch.from_numpy(batch.target_ids).long()
    ce = -(probs * policy.gather(-1, ids)).sum(-1)
    kl = torch.zeros(())
    if batch.kl_weight.any():
      with torch.no_grad(), self._model.disable_adapter():
        base = self._logp(inputs, batch)
      kl = ((base.exp() * (base - policy)).sum(-1) * kl_weight).sum()
    return torch.stack(
      [(ce * ce_weight).sum(), ce_weight.sum(), kl, kl_weight.sum()]
    )

  def _logp(self, inputs: dict[str, Any], batch: Batch) -> Any:
    """f32[B, L, V]: log p at the scored positions."""
    torch = self._torch
    low = torch.autocast("cpu", torch.bfloat16)
    with low if self._low else contextlib.nullcontext():
      model = self._model.base_model.model
      states = model.model(**inputs, use_cache=False).last_hidden_state
      at = torch.from_numpy(batch.scored).long()[..., None]
      some = states.gather(1, at.expand(-1, -1, states.shape[-1]))
      return model.lm_head(some).float().log_softmax(-1)
