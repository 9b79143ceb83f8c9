"""The report as one page of HTML that loads nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate.report.page import (
  headline,
  making,
  paper,
  results,
  transcripts,
)
from glimo_jax.evaluate.report.page.markup import contents, document
from glimo_jax.play.loop import Episode


def render(
  values: Mapping[str, Any],
  authorship: str,
  episodes: Mapping[str, Sequence[Episode]] | None = None,
  films: Mapping[str, bytes] | None = None,
) -> str:
  """The page of report.json's values.

  Args:
    values: what report.json holds.
    authorship: who wrote the dataset's rows, in words.
    episodes: arm -> episodes on the same levels.
    films: caption -> GIF of one level.
  """
  benchmarks = values["benchmarks"]
  sections = [
    transcripts.films(films or {}),
    paper.beside(values),
    results.players(benchmarks),
    results.table_of(benchmarks),
    results.comparisons(values["comparisons"]),
    results.differences(values.get("differences", {})),
    results.questions(benchmarks),
    results.depths(benchmarks),
    results.kept(values["language"], values.get("retention", {})),
    making.curves(values.get("curves", ())),
    making.coverage(values.get("coverage", {})),
    making.dataset(values["dataset"]),
    making.quality(values.get("quality", {})),
    transcripts.failures(values.get("failures", ())),
    transcripts.pairs(episodes or {}),
    results.asked(values),
    making.cost(values),
    making.run(values),
  ]
  sections = [part for part in sections if part]
  top = headline.top(values, authorship)
  body = "\n".join([top, contents(sections), *sections])
  return document("Before and after", body)
