"""The report as one page of HTML that needs nothing from outside."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from glimo_jax.evaluate import cells, charts
from glimo_jax.evaluate.acting import Episode
from glimo_jax.types import VERDICTS

_ARMS = ("base", "tuned", "random", "oracle")  # first, in this order
_CURVES = ("loss", "ce", "kl")
_SHOWN = 4  # pairs of episodes
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; margin: .5rem 0; display: block;
  overflow-x: auto; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left;
  border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
small, .faint { color: #666; } small { white-space: nowrap; }
.headline { font-size: 2.4rem; font-weight: 600; margin: .5rem 0 0; }
.bars rect { fill: #b8c4d6; } .bars .tuned { fill: #1f5fbf; }
svg text { font: 12px system-ui, sans-serif; fill: #444; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; }
ol { padding-left: 1.6rem; } li b { color: #1f5fbf; }
"""


def render(
  values: Mapping[str, Any],
  authorship: str,
  metrics: Sequence[Mapping[str, Any]] = (),
  episodes: Mapping[str, Sequence[Episode]] | None = None,
) -> str:
  """The page of report.json's values.

  Args:
    values: what report.json holds.
    authorship: who wrote the dataset's rows, in words.
    metrics: training's rows: stage, step, loss, ce, kl.
    episodes: arm -> episodes on the same levels.
  """
  sections = [
    _headline(values, authorship),
    _benchmarks(values["benchmarks"]),
    _language(values["language"]),
    _comparisons(values["comparisons"]),
    _differences(values.get("differences", {})),
    _dataset(values["dataset"]),
    _depths(values["benchmarks"]),
    _questions(values["benchmarks"]),
    _curves(metrics),
    _episodes(episodes or {}),
    _failures(values.get("failures", ())),
    _run(values),
  ]
  body = "\n".join(section for section in sections if section)
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width">'
    f"<title>glimo_jax report</title><style>{_STYLE}</style></head>"
    f"<body>\n<h1>Before and after</h1>\n{body}\n</body></html>\n"
  )


def _headline(values, authorship) -> str:
  parts = []
  for name, compared in values["comparisons"].items():
    share = compared.get("headline")
    if share and share["mean"] is not None:
      base = compared.get("headline_base")
      parts.append(
        f'<p class="headline">{share["mean"]:.1%}</p><p>of the way from '
        f"chance to the oracle on {_esc(name)} {cells.span(share)}; the base "
        f"{cells.interval(base)}</p>"
      )
      break
  if authorship:
    parts.append(f"<p>Learnt from {_esc(authorship)}.</p>")
  return "\n".join(parts)


def _benchmarks(benchmarks) -> str:
  arms = [
    arm
    for arm in dict.fromkeys(
      [*_ARMS, *(a for b in benchmarks.values() for a in b)]
    )
    if any(arm in b for b in benchmarks.values())
  ]
  rows = [
    [name, *map(cells.interval, told)]
    for name, told in cells.measured(benchmarks, arms)
  ]
  return _section("Benchmarks", _table(["", *arms], rows)) if rows else ""


def _language(texts) -> str:
  arms = list(dict.fromkeys(arm for row in texts.values() for arm in row))
  rows = [
    [
      text,
      *(f"{row[a]['bits_per_byte']:.4f}" if a in row else "-" for a in arms),
    ]
    for text, row in texts.items()
  ]
  if not rows:
    return ""
  return _section("Language, bits per byte", _table(["", *arms], rows))


def _comparisons(comparisons) -> str:
  rows = [
    [name, what.replace("_", " "), cells.interval(interval)]
    for name, compared in comparisons.items()
    for what, interval in compared.items()
  ]
  return (
    _section("Paired comparisons", _table(["", "", ""], rows)) if rows else ""
  )


def _differences(differences) -> str:
  """A forest of what each arm changes, by levels and training seeds."""
  parts = []
  for name, arms in differences.items():
    measures = dict.fromkeys(m for row in arms.values() for m in row)
    for measure in measures:
      rows = [
        (f"{arm}: {row[measure]['says']}", row[measure])
        for arm, row in arms.items()
        if measure in row
      ]
      if rows:
        title = f"<h3>{_esc(name)}, {measure}</h3>"
        parts.append(f"{title}{charts.forest(rows)}")
  if not parts:
    return ""
  note = (
    "<p>Each arm less the recipe, paired by level; of bits per byte, the share "
    "that they are more; 95 % intervals.</p>"
  )
  return _section("What each choice does", note + "".join(parts))


def _failures(failures) -> str:
  parts = []
  for failure in failures:
    turns = "".join(
      f"<li>{_esc(text)} <b>{_esc(action)}</b></li>"
      for text, action in zip(
        failure["texts"], [*failure["actions"], ""], strict=False
      )
    )
    parts.append(
      f"<h3>{_esc(failure['arm'])}, {_esc(failure['benchmark'])}, level "
      f"{failure['level']}, depth {failure['depth']}: {failure['ended']}, "
      f"shortest way {failure['optimal_steps']}</h3><ol>{turns}</ol>"
    )
  return _section("Failures", "".join(parts)) if parts else ""


def _dataset(dataset) -> str:
  if not dataset:
    return ""
  names = ("planned", *VERDICTS)
  parts = {"all": dataset, **dataset.get("by_source", {})}
  rows = [
    [source, *(counts.get(name, 0) for name in names)]
    for source, counts in parts.items()
  ]
  return _section("Dataset", _table(["rows", *names], rows))


def _depths(benchmarks) -> str:
  parts = []
  for name, arms in benchmarks.items():
    by_arm = {
      arm: arms[arm]["success"].get("by_depth", {})
      for arm in ("base", "tuned")
      if "success" in arms.get(arm, {})
    }
    depths = sorted({d for row in by_arm.values() for d in row}, key=int)
    if depths:
      bars = [
        (f"depth {d}, {arm}", by_arm[arm].get(d), arm)
        for d in depths
        for arm in by_arm
      ]
      parts.append(f"<h3>{_esc(name)}</h3>{charts.bars(bars)}")
  return _section("Success by depth", "".join(parts)) if parts else ""


def _questions(benchmarks) -> str:
  parts = []
  for name, arms in benchmarks.items():
    qa = {arm: row["qa"]["by_kind"] for arm, row in arms.items() if "qa" in row}
    kinds = list(dict.fromkeys(kind for row in qa.values() for kind in row))
    groups = [arms[arm]["qa"].get("by_group", {}) for arm in qa]
    rows = [
      [f"all that is {group.replace('_', ' ')}"]
      + [cells.interval(of.get(group)) for of in groups]
      + ["", ""]
      for group in dict.fromkeys(name for of in groups for name in of)
    ]
    for kind in kinds:
      any_arm = next(row[kind] for row in qa.values() if kind in row)
      rows.append(
        [kind]
        + [cells.interval(row.get(kind)) for row in qa.values()]
        + [f"{any_arm['chance']:.2f}", f"{any_arm['majority']:.2f}"]
      )
    if rows:
      header = ["kind", *qa, "chance", "commonest answer"]
      bars = [
        (f"{kind}, {arm}", qa[arm].get(kind), arm)
        for kind in kinds
        for arm in ("base", "tuned")
        if arm in qa
      ]
      parts.append(
        f"<h3>{_esc(name)}</h3>{charts.bars(bars)}{_table(header, rows)}"
      )
  return _section("Questions by kind", "".join(parts)) if parts else ""


def _curves(metrics) -> str:
  starts = _stage_starts(metrics)
  parts = [
    f"<h3>{name}</h3>{charts.curve(points, starts)}"
    for name in _CURVES
    if len(points := [(r["step"], r[name]) for r in metrics if name in r]) > 1
  ]
  return _section("Training", "".join(parts)) if parts else ""


def _stage_starts(metrics) -> list[tuple[int, str]]:
  """The first step of each stage, with its name."""
  starts: dict[str, int] = {}
  for row in metrics:
    starts.setdefault(str(row.get("phase", "")), row["step"])
  return [(step, stage) for stage, step in starts.items() if stage]


def _episodes(episodes) -> str:
  if not {"base", "tuned"} <= episodes.keys():
    return ""
  pairs = list(zip(episodes["base"], episodes["tuned"], strict=True))
  # First what was won, then what is lost still, then what was unlearnt.
  order = [(False, True), (False, False), (True, False), (True, True)]
  groups = [
    [p for p in pairs if (p[0].success, p[1].success) == ends] for ends in order
  ]
  chosen = groups[0][:2] + groups[1][:1] + groups[2][:1] + groups[3][:1]
  parts = []
  for base, tuned in chosen[:_SHOWN]:
    parts.append(
      f"<h3>Level {base.index}, depth {base.depth}, shortest way "
      f'{base.optimal_steps}</h3><div class="pair">{_told("base", base)}'
      f"{_told('tuned', tuned)}</div>"
    )
  return _section("Episodes", "".join(parts)) if parts else ""


def _told(arm: str, episode: Episode) -> str:
  turns = "".join(
    f"<li>{_esc(text)} <b>{_esc(action)}</b></li>"
    for text, action in zip(episode.texts, episode.actions, strict=False)
  )
  return (
    f"<div><strong>{arm}</strong>: {episode.ended} after {episode.steps}"
    f"<ol>{turns}</ol></div>"
  )


def _run(values) -> str:
  wall = values.get("wall_s", {})
  rows = [[f"{stage} (s)", f"{s:.0f}"] for stage, s in wall.items()]
  rows.append(["peak memory (GiB)", values.get("peak_gib", "-")])
  commit = values.get("commit", "unknown")
  rows.append(["commit", commit])
  rows += [
    [f"commit of {stage}", other]
    for stage, other in values.get("commits", {}).items()
    if other != commit
  ]
  rows += [[name, v] for name, v in values.get("versions", {}).items()]
  return _section("Run", _table(["", ""], rows))


def _section(title: str, body: str) -> str:
  return f"<h2>{_esc(title)}</h2>\n{body}"


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  head = "".join(f"<th>{_esc(cell)}</th>" for cell in header)
  body = "".join(
    "<tr>" + "".join(f"<td>{_esc(cell)}</td>" for cell in row) + "</tr>"
    for row in rows
  )
  return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _esc(value: Any) -> str:
  return html.escape(str(value))
