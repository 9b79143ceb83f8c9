"""Closed sets scored by a language model, each prompt scored once a run."""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import scipy.special

from glimo_jax.agent import llm
from glimo_jax.types import Message

Prompt = tuple[Message, ...]
Shot = tuple[str, str]  # a user turn, and the assistant's answer to it
Retrieve = Callable[[Sequence[str]], list[list[Shot]]]

# Stand-ins for a description that say nothing about any world.
CONTENT_FREE = ("n/a", "nothing.", "none.")


class Memo:
  """Keeps log-likelihoods, for all arms of a run that share it.

  Arms with the same model and the same prompts (plain, prior-calibrated,
  sampled, greedy) score a text once between them.

  Attributes:
    asked: closed sets that were asked for.
    scored: closed sets that a model had to score.
  """

  def __init__(self):
    # The model is kept beside its table: an id lives as long as its object.
    self._tables: dict[
      int, tuple[llm.LanguageModel, dict[Hashable, np.ndarray]]
    ] = {}
    self.asked = 0
    self.scored = 0

  def loglik(
    self,
    lm: llm.LanguageModel,
    prompts: Sequence[Prompt],
    choices: Sequence[tuple[str, ...]],
  ) -> list[np.ndarray]:
    """log p of each choice after each prompt, f32[len(choices[i])] each."""
    _, table = self._tables.setdefault(id(lm), (lm, {}))
    keys = [_key(p, c) for p, c in zip(prompts, choices, strict=True)]
    first: dict[Hashable, int] = {}  # unknown key -> its first place
    for i, key in enumerate(keys):
      if key not in table:
        first.setdefault(key, i)
    self.asked += len(keys)
    self.scored += len(first)
    if first:
      rows = list(first.values())
      answers = lm.loglik(
        [prompts[i] for i in rows], [choices[i] for i in rows]
      )
      table.update(zip(first, answers, strict=True))
    return [table[key] for key in keys]


def _key(prompt: Prompt, choices: tuple[str, ...]) -> Hashable:
  return tuple((m["role"], m["content"]) for m in prompt), tuple(choices)


def with_shots(prompt: Prompt, shots: Sequence[Shot]) -> Prompt:
  """The prompt with solved cases as earlier turns: one prefix for all texts."""
  turns = []
  for asked, answered in shots:
    turns += [
      {"role": "user", "content": asked},
      {"role": "assistant", "content": answered},
    ]
  return (*prompt[:-1], *turns, prompt[-1])


def with_retrieved(prompt: Prompt, shots: Sequence[Shot]) -> Prompt:
  """The prompt with solved cases for this text inside the last turn.

  They differ from text to text. Inside the last turn they do not change the
  prefix, which is computed once.
  """
  lines = [f"{asked} {answered}" for asked, answered in shots]
  content = "\n".join([*lines, prompt[-1]["content"]])
  return (*prompt[:-1], {**prompt[-1], "content": content})


def prior(
  lm: llm.LanguageModel,
  memo: Memo,
  prompts: Sequence[Prompt],
  choices: tuple[str, ...],
) -> np.ndarray:
  """Log-probability of each choice before any description, f64[C].

  The mean over content-free prompts (Zhao et al. 2021, "Calibrate Before Use",
  section 4, https://arxiv.org/abs/2102.09690).
  """
  rows = memo.loglik(lm, prompts, [choices] * len(prompts))
  scores = np.asarray(np.stack(rows), np.float64)
  return np.log(np.exp(scipy.special.log_softmax(scores, -1)).mean(0))
