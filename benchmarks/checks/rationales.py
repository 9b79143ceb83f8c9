"""Which sentences of its rationales has a model learnt?

  python -m benchmarks.checks.rationales --workdir=RUN [--kind=next_action]
    [--rows=200] [--json=FILE]

Reads the rows that a run's annotation held out (`val_share`), which no training
step saw, with the run's tuned model. A sentence counts as right if each of its
tokens is the likeliest one after the right text before it. So the shares say
what is hard by itself, not what an early mistake leads to.

Sentences are put together by their first word, where at least a tenth of the
rows have one that begins with it: `next`, `left`, `hold`. The others are
`(other)`, and the answer is the last line.
"""

import collections
import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import common
from glimo_jax import workdir
from glimo_jax.data import dataset
from glimo_jax.models import decoder
from glimo_jax.models.attention import attention_mask
from glimo_jax.types import InstructionExample, Message
from launch import common as launch_common

BATCH = 8  # rows read together
STEP = 32  # lengths are padded to multiples of it


@dataclasses.dataclass(frozen=True)
class Row:
  """How many sentences of one sort are right.

  Attributes:
    sentence: first word, `(other)` or `(answer)`.
    count: of such sentences.
    right: share of them, each token after the right ones.
    example: one that is wrong, if there is one.
  """

  sentence: str
  count: int
  right: float
  example: str


def likeliest(
  base, adapter, texts: Sequence[Sequence[int]]
) -> list[np.ndarray]:
  """i32[T] of each text: the likeliest token after each of its tokens."""
  config, params, _ = base

  @jax.jit  # arrays of a closure would be constants of the program
  def read(params, adapter, tokens_BxT, lengths_B):
    columns = jnp.broadcast_to(
      jnp.arange(tokens_BxT.shape[1]), tokens_BxT.shape
    )
    segments = jnp.where(columns < lengths_B[:, None], 0, -1)
    mask = attention_mask(segments)
    x, _ = decoder.forward(config, params, tokens_BxT, columns, mask, adapter)
    logits = decoder.logits(params, decoder.final(config, params, x))
    return jnp.argmax(logits, -1)

  out: list[np.ndarray] = [np.zeros(0)] * len(texts)
  order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
  for at in range(0, len(order), BATCH):
    some = order[at : at + BATCH]
    longest = -(-max(len(texts[i]) for i in some) // STEP) * STEP
    tokens = np.zeros((BATCH, longest), np.int32)
    for row, i in zip(tokens, some, strict=False):
      row[: len(texts[i])] = texts[i]
    lengths = np.array([len(texts[i]) for i in some], np.int32)
    lengths = np.resize(lengths, BATCH)
    for i, found in zip(
      some, np.asarray(read(params, adapter, tokens, lengths)), strict=False
    ):
      out[i] = found
  return out


def chat(row: InstructionExample) -> tuple[Message, ...]:
  """The row as a conversation that ends with its first completion."""
  answer = {"role": "assistant", "content": row.completions[0]}
  return (*row.messages, answer)


def judge(
  chats: Sequence[Sequence[Message]], base, adapter
) -> list[list[tuple[str, bool, str]]]:
  """(sentence, whether it is right, what is likeliest) of each last turn."""
  tokenizer = base[2]
  rendered = [tokenizer.render_chat(chat) for chat in chats]
  judged = []
  found = likeliest(base, adapter, [ids for ids, _ in rendered])
  for (ids, learnt), best in zip(rendered, found, strict=True):
    said, current = [], []
    for column in np.flatnonzero(learnt):
      current.append((ids[column], int(best[column - 1])))
      if tokenizer.decode([ids[column]]).strip().endswith("."):
        said.append(current)
        current = []
    said.append(current)
    judged.append(
      [
        (
          tokenizer.decode([true for true, _ in pairs]).strip(),
          all(true == guess for true, guess in pairs),
          tokenizer.decode([guess for _, guess in pairs]).strip(),
        )
        for pairs in said
        if pairs
      ]
    )
  return judged


def table(judged: Sequence[Sequence[tuple[str, bool, str]]]) -> list[Row]:
  """A row for each sort of sentence, in the order of the rationales."""
  firsts = collections.Counter(
    word
    for sentences in judged
    for word in {text.split()[0].strip(".") for text, _, _ in sentences[:-1]}
  )
  sorts: dict[str, list[tuple[str, bool, str]]] = {}
  for sentences in judged:
    for sentence in sentences[:-1]:
      first = sentence[0].split()[0].strip(".")
      common_ = firsts[first] >= len(judged) / 10
      sorts.setdefault(first if common_ else "(other)", []).append(sentence)
  sorts["(answer)"] = [sentences[-1] for sentences in judged]
  return [
    Row(
      name,
      len(said),
      round(float(np.mean([right for _, right, _ in said])), 3),
      next((f"{a} / {b}" for a, right, b in said if not right), ""),
    )
    for name, said in sorts.items()
  ]


def main() -> None:
  flags = common.parser(__doc__ or "")
  flags.add_argument("--workdir", required=True, help="folder of a run")
  flags.add_argument("--kind", default="next_action", help="of the rows")
  flags.add_argument("--rows", type=int, default=200)
  args = flags.parse_args()
  folder = workdir.require(args.workdir, "annotate")
  rows = [
    r for r in dataset.load(folder / "dataset").val if r.kind == args.kind
  ]
  if not rows:
    raise SystemExit(f"no held-out row of kind {args.kind!r} in {folder}")
  _, base, adapter = launch_common.trained(args.workdir)
  judged = judge([chat(r) for r in rows[: args.rows]], base, adapter)
  found = table(judged)
  for row in found:
    print(f"{row.sentence:10} {row.count:5} {row.right:.3f}  {row.example}")
  whole = np.mean([all(right for _, right, _ in row) for row in judged])
  print(f"all right  {len(judged):5} {whole:.3f}")
  common.report(found, {"all_right": float(whole)}, args.json)


if __name__ == "__main__":
  main()
