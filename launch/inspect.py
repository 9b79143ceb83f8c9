"""Show training rows as the model reads them, and what of them it learns.

python -m launch.inspect --workdir=runs/quickstart --rows=3 --kind=next_action

What the model learns to write is green on a terminal, else in [brackets].
"""

import sys

from absl import flags

from launch import common

flags.declare_key_flag("workdir")  # of `common`: the run's folder
_ROWS = flags.DEFINE_integer("rows", 3, "Rows to show.", lower_bound=1)
_KIND = flags.DEFINE_string(
  "kind", "", "Kind of the rows, such as next_action or nearer; all by default."
)
_ROUND = flags.DEFINE_integer(
  "round", 0, "On-policy round; 0 is the first pass.", lower_bound=0
)
_GREEN = ("\033[32m", "\033[0m")


def main() -> None:
  from glimo_jax import workdir
  from glimo_jax.data import dataset
  from glimo_jax.models.loading import weights

  if not flags.FLAGS.workdir:
    raise common.UsageError("--workdir is missing: name the folder of a run")
  stage = workdir.stage_name("annotate", _ROUND.value)
  folder = workdir.require(flags.FLAGS.workdir, stage)
  rows = dataset.load(folder / "dataset").train
  kinds = sorted({row.kind for row in rows})
  if _KIND.value and _KIND.value not in kinds:
    raise common.UsageError(
      f"--kind={_KIND.value}: no row is of it: {', '.join(kinds)}"
    )
  chosen = [row for row in rows if _KIND.value in ("", row.kind)]
  model = workdir.settings_of(folder)["model"]
  tokenizer = weights.load_tokenizer(model["source"], model.get("revision", ""))
  marks = _GREEN if sys.stdout.isatty() else ("[", "]")
  for row in chosen[: _ROWS.value]:
    answer = {"role": "assistant", "content": row.completions[0]}
    ids, mask = tokenizer.render_chat((*row.messages, answer))
    others = zip(row.answers[1:], row.weights[1:], strict=True)
    print(
      f"--- row {row.row_id}: {row.kind}, {row.variant}, {row.verdict} by "
      f"{row.checked_by}; {len(ids)} tokens, {sum(mask)} learnt"
    )
    print(tokenizer.show_mask(ids, mask, marks))
    for other, weight in others:
      print(f"also right: {other} (weight {weight:.2f})")
  print(f"{min(_ROWS.value, len(chosen))} of {len(chosen)} rows, from {folder}")


if __name__ == "__main__":
  common.start(main)
