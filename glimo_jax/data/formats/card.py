"""The card of a dataset: README.md, with the header that dataset hubs read."""

from collections import Counter

from glimo_jax.types import SPLITS, VERDICTS, InstructionDataset

_SPLITS = {"train": "train", "val": "validation"}  # as hubs name them


def card(dataset: InstructionDataset, facts: dict[str, str]) -> str:
  """What the dataset holds, and what became of every planned row.

  Args:
    dataset: its rows and counts.
    facts: further facts, such as `licence`.
  """
  counts = dataset.counts
  rows = [*dataset.train, *dataset.val]
  lines = [
    "---",
    f"license: {facts.get('licence', 'other')}",
    "task_categories: [text-generation]",
    # Which files hold rows; hub libraries would guess, and read the sample.
    "configs:",
    "- config_name: default",
    "  data_files:",
    *(
      f"  - {{split: {_SPLITS[s]}, path: {s}.parquet}}"
      for s in SPLITS
      if getattr(dataset, s)
    ),
    "---",
    "# Verified instructions from simulated experience",
    "",
    f"{len(dataset.train)} training rows and {len(dataset.val)} of other "
    "episodes for validation. Every answer was replayed in the simulator "
    "before it was admitted.",
    "",
    *(f"- **{name}**: {fact}" for name, fact in sorted(facts.items())),
    f"- **teachers**: {_tally(r.teacher for r in rows)}",
    f"- **worlds**: {_tally(f'{r.world} {r.variant}' for r in rows)}",
    f"- **labels**: {_tally(r.label_source for r in rows)}",
    f"- **checked by**: {_tally(r.checked_by for r in rows)}",
    f"- **prompts**: version {_tally(r.prompt_version for r in rows)}",
    "",
    "## What became of every planned row",
    "",
    "| source | planned | " + " | ".join(VERDICTS) + " |",
    "|---" * (2 + len(VERDICTS)) + "|",
  ]
  by_source = {"all": counts, **counts.get("by_source", {})}
  for source, row in by_source.items():
    cells = [str(row.get(k, 0)) for k in ("planned", *VERDICTS)]
    lines.append(f"| {source} | " + " | ".join(cells) + " |")
  lines += [
    "",
    "## Drafts of the language model, by kind",
    "",
    f"{counts.get('llm_first_drafts', 0)} were verified at once, the others "
    "after a refutation, which leaves fewer answers to choose from.",
    "",
    "| kind | planned | verified | rate |",
    "|---|---|---|---|",
  ]
  for kind, row in sorted(counts.get("llm_by_kind", {}).items()):
    rate = row["verified"] / max(1, row["planned"])
    lines.append(
      f"| {kind} | {row['planned']} | {row['verified']} | {rate:.2f} |"
    )
  lines += [
    "",
    "## Provenance",
    "",
    "Each row names its world, variant, level (with hash), seed and action "
    "list, so that `simulators.rollout.replay` comes back to its state; its "
    "teacher, the hash of the teacher's prompt, the memories in it, and how "
    "its answer was checked. `sample.jsonl` has some rows to look at.",
    "",
  ]
  return "\n".join(lines)


def _tally(values) -> str:
  tally = sorted(Counter(values).items())
  return ", ".join(f"{value} ({n})" for value, n in tally) or "none"
