"""Runs put side by side: every arm over its seeds, and less the recipe."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glimo_jax.evaluate import acting, answering, language, report, stats
from glimo_jax.evaluate import fragments as fragments_lib
from glimo_jax.types import EvalReport

REFERENCE = "tuned"  # the arm that the others differ from in one thing
# How a tuned model may act; what an arm does otherwise than by choosing is
# held against the recipe's choosing.
_FORMS = ("tuned", "tuned_write", "tuned_plan")
# Settings in which the seeds of one arm may differ.
_OF_A_SEED = ("train.seed", "train.data", "evaluate.tuned_only")


def merge(fragments: Sequence[fragments_lib.Fragment]) -> EvalReport:
  """One report of many runs: every arm over its training seeds.

  Base, random, oracle are taken from the first fragment that has them. Beside
  the usual parts, `run["differences"]` holds benchmark -> arm -> measure ->
  {"mean", "lo", "hi", "n", "seeds", "says"}: arm less REFERENCE, paired by
  level, over the training seeds that both have, and as wide as trainings of
  one arm lie apart (pooled over the arms of several seeds; where all have one,
  of levels alone). Under `language/TEXT` it is the share by which an arm's bits
  per byte are more than REFERENCE's.

  Raises:
    ValueError: no fragment, none of REFERENCE, the same arm and seed twice,
      seeds of an arm that were made with other settings, or fragments that
      judged unlike levels.
  """
  runs: dict[str, dict[int, fragments_lib.Fragment]] = {}
  for fragment in sorted(fragments, key=lambda f: (f.arm, f.seed)):
    of_arm = runs.setdefault(fragment.arm, {})
    if fragment.seed in of_arm:
      raise ValueError(
        f"two fragments of arm {fragment.arm!r}, seed {fragment.seed}: remove "
        "one"
      )
    _check_alike(fragment, of_arm)
    of_arm[fragment.seed] = fragment
  if REFERENCE not in runs:
    raise ValueError(
      f"no fragment of arm {REFERENCE!r} among {sorted(runs)}: run it first"
    )
  reference = list(runs[REFERENCE].values())
  benchmarks, comparisons, differences = {}, {}, {}
  for name in reference[0].results:
    acted, answered = _arms(name, runs)
    benchmarks[name] = report.benchmark(acted, answered)
    comparisons[name] = report.compare(acted, answered)
    differences[name] = _differences(name, runs)
  told, compared, less = _language(runs)
  return EvalReport(
    benchmarks=benchmarks,
    language=told,
    comparisons=comparisons | compared,
    dataset=dict(reference[0].dataset),
    run={
      **reference[0].run,
      "arms": {
        arm: {
          "seeds": sorted(of_seed),
          "commits": sorted(set().union(*map(_commits, of_seed.values()))),
          "train_s": [f.run["wall_s"]["train"] for f in of_seed.values()],
        }
        for arm, of_seed in runs.items()
      },
      "differences": differences | less,
      "failures": [
        {"arm": arm, **failure}
        for arm, of_seed in runs.items()
        for failure in fragments_lib.failures(next(iter(of_seed.values())))[:1]
      ],
    },
  )


def _commits(fragment) -> set[str]:
  """Whose code made the fragment, its training and what that began with."""
  run = fragment.run
  return {run["commit"], *run.get("commits", {}).values()}


def _check_alike(fragment, of_arm: Mapping[int, Any]) -> None:
  """Stops where a seed of an arm is not all that it differs in."""

  def settings(of):
    sections = of.run.get("config", {})
    return {
      f"{section}.{name}": value
      for section, fields in sections.items()
      for name, value in fields.items()
      if f"{section}.{name}" not in _OF_A_SEED
    }

  new = settings(fragment)
  for other in of_arm.values():
    old = settings(other)
    unlike = sorted(n for n in old.keys() & new.keys() if old[n] != new[n])
    if unlike:
      seeds = f"seeds {other.seed} and {fragment.seed}"
      raise ValueError(
        f"{seeds} of arm {fragment.arm!r} differ in {', '.join(unlike)}: keep "
        "the fragments of one kind"
      )


def _arms(name: str, runs):
  """(arm -> runs of episodes, arm -> runs of answers) on one benchmark."""
  acted: dict[str, list] = {}
  answered: dict[str, list] = {}
  for arm, of_seed in runs.items():
    for fragment in of_seed.values():
      result = fragment.results.get(name)
      if result is None:
        continue
      for out, part in ((acted, result.acted), (answered, result.answered)):
        for played, rows in part.items():
          if played.startswith("tuned"):
            called = played.replace("tuned", arm, 1)
            out.setdefault(called, []).append(rows)
          elif played not in out:
            out[played] = [rows]
  return acted, answered


def _differences(name: str, runs) -> dict[str, dict[str, Any]]:
  """arm -> measure -> the paired difference to REFERENCE on one benchmark."""
  results = {
    arm: {s: f.results[name] for s, f in of_seed.items() if name in f.results}
    for arm, of_seed in runs.items()
  }
  between_acting = _pooled(results, _success)
  between_answering = _pooled(results, _accuracy)
  out: dict[str, dict[str, Any]] = {}
  for arm, of_seed in results.items():
    seeds = [seed for seed in of_seed if seed in results[REFERENCE]]
    if arm == REFERENCE or not seeds:
      continue
    ours = [of_seed[seed] for seed in seeds]
    theirs = [results[REFERENCE][seed] for seed in seeds]
    out[arm] = {}
    for form in _FORMS:
      sides = [r.acted.get(form) for r in ours]
      sides += [r.acted.get("tuned") for r in theirs]
      if None in sides:
        continue
      played, half = acting.successes(sides), len(seeds)  # the same levels
      difference = stats.paired(
        played[:half], played[half:], between=between_acting
      )
      out[arm][form.replace("tuned", "success")] = _said(difference, half)
    if all(r.answered.get("tuned") for r in (*ours, *theirs)):
      papers = [[r.answered["tuned"] for r in side] for side in (ours, theirs)]
      difference = answering.compare(*papers, between=between_answering)
      out[arm]["qa"] = _said(difference, len(seeds))
  return out


def _success(result) -> float | None:
  run = result.acted.get("tuned")
  return float(acting.successes([run]).mean()) if run else None


def _accuracy(result) -> float | None:
  run = result.answered.get("tuned")
  return float(answering.marks([run]).mean()) if run else None


def _pooled(of_arm, figure) -> stats.Spread | None:
  """What trainings of one arm differ by, over all arms of several seeds."""
  figures = [[figure(one) for one in runs.values()] for runs in of_arm.values()]
  return stats.spread([[x for x in arm if x is not None] for arm in figures])


def _said(
  difference: stats.Interval, seeds: int, less_is_better: bool = False
) -> dict[str, Any]:
  """The interval, and whether it is above 0, below, or cannot tell."""
  says = "cannot tell"
  if difference.lo > 0 or difference.hi < 0:
    says = "better" if (difference.lo > 0) != less_is_better else "worse"
  return {**difference.as_dict(), "seeds": seeds, "says": says}


def _language(runs):
  """As `report.compare_language`, over the seeds, and arms over REFERENCE."""
  told: dict[str, dict[str, Any]] = {}
  compared: dict[str, dict[str, Any]] = {}
  less: dict[str, dict[str, Any]] = {}
  base: dict[str, language.Score] = {}
  for of_seed in runs.values():
    for fragment in of_seed.values():
      for text, arms in fragment.scores.items():
        if "base" in arms:
          base.setdefault(text, arms["base"])
  for text, score in base.items():
    told[text] = {"base": {"bits_per_byte": score.bits_per_byte}}
    what, beside = compared.setdefault(f"language/{text}", {}), {}

    def share(fragment, text=text, score=score):
      bits = fragment.scores[text]["tuned"].bits_per_byte
      return bits / score.bits_per_byte

    between = _pooled(runs, share)
    for arm, of_seed in runs.items():
      scores = {seed: f.scores[text]["tuned"] for seed, f in of_seed.items()}
      if any(not np.array_equal(s.bytes, score.bytes) for s in scores.values()):
        raise ValueError(f"arm {arm!r} was scored on another text {text!r}")
      bits = float(np.mean([s.bits_per_byte for s in scores.values()]))
      told[text][arm] = {"bits_per_byte": bits}
      nats = np.stack([s.nats for s in scores.values()])
      called = "" if arm == REFERENCE else f"_{arm}"
      what[f"bits_per_byte_ratio{called}"] = stats.ratio(
        nats, score.nats
      ).as_dict()
      seeds = [seed for seed in scores if seed in runs[REFERENCE]]
      if called and seeds:
        theirs = [runs[REFERENCE][s].scores[text]["tuned"] for s in seeds]
        ratio = stats.ratio(
          np.stack([scores[s].nats for s in seeds]),
          np.stack([s.nats for s in theirs]),
          between=between,
        )
        more = dataclasses.replace(
          ratio, mean=ratio.mean - 1, lo=ratio.lo - 1, hi=ratio.hi - 1
        )
        beside[arm] = {"bits_per_byte": _said(more, len(seeds), True)}
    less[f"language/{text}"] = beside
  return told, compared, less
