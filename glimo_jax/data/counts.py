"""The verdicts on all planned rows, and the check that none was lost."""

import logging
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax import files
from glimo_jax.types import VERDICTS

_FILE = "counts.json"
_log = logging.getLogger(__name__)


class Tally:
  """Counts verdicts by source and kind.

  Args:
    planned: source -> rows planned, counted independently of the verdicts.
  """

  def __init__(self, planned: dict[str, int]):
    self._planned = planned
    self._tally: Counter[tuple[str, str, str]] = Counter()

  def add(self, source: str, kind: str, verdict: str) -> None:
    """Counts one row with its final verdict."""
    self._tally[source, kind, verdict] += 1

  def counts(self) -> dict[str, Any]:
    """{"planned", each verdict, "by_source", "by_kind", "llm_by_kind"}."""
    return {
      "planned": sum(self._planned.values()),
      **self._verdicts(),
      "by_source": {
        source: {"planned": n, **self._verdicts(source)}
        for source, n in self._planned.items()
      },
      "by_kind": self._kinds(None),
      "llm_by_kind": self._kinds("llm"),
    }

  def _kinds(self, source: str | None) -> dict[str, dict[str, int]]:
    kinds = {k for s, k, _ in self._tally if source in (None, s)}
    out = {}
    for kind in sorted(kinds):
      verdicts = self._verdicts(source, kind)
      out[kind] = {"planned": sum(verdicts.values()), **verdicts}
    return out

  def _verdicts(
    self, source: str | None = None, kind: str | None = None
  ) -> dict[str, int]:
    chosen: dict[str, int] = dict.fromkeys(VERDICTS, 0)
    for (s, k, verdict), n in self._tally.items():
      if source in (None, s) and kind in (None, k):
        chosen[verdict] += n
    return chosen


def check(counts: dict[str, Any], row_ids: Sequence[str]) -> None:
  """Logs and checks planned = sum of the verdicts, for all and each source.

  Args:
    counts: from `Tally.counts`.
    row_ids: of the rows kept.

  Raises:
    RuntimeError: a planned row has no verdict or several, or the rows kept
      are not the verified rows, each once.
  """
  for name, part in {"all": counts, **counts["by_source"]}.items():
    parts = " + ".join(f"{part[v]} {v}" for v in VERDICTS)
    _log.info("%s: %d planned = %s", name, part["planned"], parts)
    if part["planned"] != sum(part[v] for v in VERDICTS):
      raise RuntimeError(
        f"{name}: {part['planned']} planned is not {parts}: a row was lost or "
        "counted twice"
      )
  if not len(set(row_ids)) == len(row_ids) == counts["verified"]:
    raise RuntimeError(
      f"{len(row_ids)} rows with {len(set(row_ids))} names were kept, but "
      f"{counts['verified']} were verified"
    )


def usage(totals: Mapping[str, int]) -> dict[str, Any]:
  """Cost of the drafts, and how much memory their prompts held.

  Args:
    totals: `Agent.usage`; {} where nothing was drafted.
  """
  names = ("requests", "retrievals", "prompts_with_memories")
  return {name: totals.get(name, 0) for name in names} | {
    "tokens": {
      "prompt": totals.get("prompt_tokens", 0),
      "completion": totals.get("completion_tokens", 0),
    }
  }


def save(counts: dict[str, Any], folder: pathlib.Path) -> None:
  """Writes the counts beside a dataset."""
  files.write_json(folder / _FILE, counts, indent=2)


def load(folder: pathlib.Path) -> dict[str, Any]:
  """Reads what `save` wrote.

  Raises:
    FileNotFoundError: nothing is there.
    ValueError: the file is damaged.
  """
  path = folder / _FILE
  fix = "run `python -m launch.annotate` with the same --workdir to make it"
  if not path.exists():
    raise FileNotFoundError(f"{path} is not there: {fix}")
  return files.read_json(path, f"delete the stage's folder and {fix}")
