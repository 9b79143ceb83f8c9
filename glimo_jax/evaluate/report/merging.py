"""Merges runs: each arm over its seeds, and its difference to the recipe."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from glimo_jax.evaluate import answering, episodes, language, stats
from glimo_jax.evaluate.report import summaries, trainings
from glimo_jax.evaluate.report.fragments import Fragment
from glimo_jax.evaluate.retention import chats
from glimo_jax.evaluate.suite import Result
from glimo_jax.types import EvalReport

Runs = Mapping[str, Mapping[int, Fragment]]  # arm -> training seed -> run

REFERENCE = "tuned"  # the recipe; the other arms differ from it in one thing
# How a tuned model may act. Written actions and plans of an arm are compared
# with the chosen actions of the recipe.
_FORMS = ("tuned", "tuned_write", "tuned_plan")
# Settings in which the seeds of one arm may differ.
_SEED_SETTINGS = (
  "collect.seed", "annotate.seed", "train.seed", "train.data",
  "evaluate.tuned_only",
)  # fmt: skip


def merge(fragments: Sequence[Fragment]) -> EvalReport:
  """One report of many runs: every arm over its training seeds.

  Base, random and oracle come from the first fragment that has them. A further
  part, `run["differences"]`, holds benchmark -> arm -> measure -> {"mean",
  "lo", "hi", "n", "seeds", "says"}: arm minus REFERENCE, paired by level, over
  the training seeds that both have. Its interval covers levels, and the spread
  between trainings of one arm (pooled over the arms with several seeds; the
  known one of the settings where no arm has several). Under `language/TEXT` it
  is the relative increase of bits per byte.

  Raises:
    ValueError: no fragment, none of REFERENCE, the same arm and seed twice,
      seeds of an arm with different settings, or fragments that judged
      different levels.
  """
  runs: dict[str, dict[int, Fragment]] = {}
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
  known = trainings.KnownSpread.of(reference[0].run)
  benchmarks, comparisons, differences = {}, {}, {}
  for name in reference[0].results:
    acted, answered = _arms(name, runs)
    benchmarks[name] = summaries.benchmark(acted, answered, known, runs.keys())
    comparisons[name] = summaries.compare(acted, answered, known)
    differences[name] = _differences(name, runs, known)
  bits, compared, more_bits = _language(runs)
  talk = _talk(runs)
  if {REFERENCE, "base"} <= talk.keys():
    compared["retention"] = chats.compare(talk[REFERENCE], talk["base"][0])
  return EvalReport(
    benchmarks=benchmarks,
    language=bits,
    comparisons=comparisons | compared,
    dataset=dict(reference[0].dataset),
    run={
      **reference[0].run,
      "arms": {
        arm: {
          "seeds": sorted(of_seed),
          "datasets": len({_data_seeds(f) for f in of_seed.values()}),
          "commits": sorted(set().union(*map(_commits, of_seed.values()))),
          "train_s": [f.run["wall_s"]["train"] for f in of_seed.values()],
        }
        for arm, of_seed in runs.items()
      },
      "differences": differences | more_bits,
      "failures": [
        {**failure, "arm": arm}
        for arm, of_seed in runs.items()
        for failure in next(iter(of_seed.values())).failures[:1]
      ],
    },
    retention=chats.summary(talk),
  )


def _talk(runs: Runs) -> dict[str, list[chats.ChatScore]]:
  """Arm -> the chats of its trainings; the base's come from the first."""
  out: dict[str, list[chats.ChatScore]] = {}
  for arm, of_seed in runs.items():
    for fragment in of_seed.values():
      for name, score in fragment.talk.items():
        if name == "tuned":
          out.setdefault(arm, []).append(score)
        else:
          out.setdefault(name, [score])
  return out


def _commits(fragment: Fragment) -> set[str]:
  """The commits that made the fragment and all stages before it."""
  run = fragment.run
  return {run["commit"], *run.get("commits", {}).values()}


def _data_seeds(fragment: Fragment) -> tuple[Any, ...]:
  """The seeds of the dataset; in older fragments those of the config."""
  config = fragment.run.get("config", {})
  older = {name: part.get("seed") for name, part in config.items()}
  seeds = {**older, **fragment.run.get("seeds", {})}
  return seeds.get("collect"), seeds.get("annotate")


def _check_alike(fragment: Fragment, of_arm: Mapping[int, Fragment]) -> None:
  """Raises ValueError where runs of an arm differ in more than the seed."""

  def settings(one: Fragment) -> dict[str, Any]:
    sections = one.run.get("config", {})
    return {
      f"{section}.{name}": value
      for section, fields in sections.items()
      for name, value in fields.items()
      if f"{section}.{name}" not in _SEED_SETTINGS
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


def _arms(name: str, runs: Runs) -> tuple[dict[str, list], dict[str, list]]:
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


def _differences(
  name: str, runs: Runs, known: trainings.KnownSpread
) -> dict[str, dict[str, Any]]:
  """arm -> measure -> the paired difference to REFERENCE on one benchmark."""
  results = {
    arm: {s: f.results[name] for s, f in of_seed.items() if name in f.results}
    for arm, of_seed in runs.items()
  }
  between_acting = _pooled(results, _success) or known.spread("success")
  between_answering = _pooled(results, _accuracy) or known.spread("qa")
  out: dict[str, dict[str, Any]] = {}
  for arm, of_seed in results.items():
    seeds = [seed for seed in of_seed if seed in results[REFERENCE]]
    if arm == REFERENCE or not seeds:
      continue
    ours = [of_seed[seed] for seed in seeds]
    theirs = [results[REFERENCE][seed] for seed in seeds]
    out[arm] = {}
    for form in _FORMS:
      found = [r.acted.get(form) for r in ours]
      found += [r.acted.get("tuned") for r in theirs]
      sides = [run for run in found if run is not None]
      if len(sides) < len(found):
        continue
      played, half = episodes.successes(sides), len(seeds)  # the same levels
      difference = stats.paired(
        played[:half], played[half:], between=between_acting
      )
      out[arm][form.replace("tuned", "success")] = _verdict(difference, half)
    if all(r.answered.get("tuned") for r in (*ours, *theirs)):
      difference = answering.compare(
        [r.answered["tuned"] for r in ours],
        [r.answered["tuned"] for r in theirs],
        between=between_answering,
      )
      out[arm]["qa"] = _verdict(difference, len(seeds))
  return out


def _success(result: Result) -> float | None:
  run = result.acted.get("tuned")
  return float(episodes.successes([run]).mean()) if run else None


def _accuracy(result: Result) -> float | None:
  run = result.answered.get("tuned")
  return float(answering.marks([run]).mean()) if run else None


def _pooled(
  of_arm: Mapping[str, Mapping[int, Any]],
  figure: Callable[[Any], float | None],
) -> stats.Spread | None:
  """The spread between trainings of one arm, over all arms.

  Args:
    of_arm: arm -> training seed -> a result.
    figure: result -> the number that spreads; None where it was not measured.
  """
  figures = [[figure(one) for one in runs.values()] for runs in of_arm.values()]
  return stats.spread([[x for x in arm if x is not None] for arm in figures])


def _verdict(
  difference: stats.Interval, seeds: int, lower_is_better: bool = False
) -> dict[str, Any]:
  """The interval, and whether it is better than 0, worse, or neither."""
  says = "cannot tell"
  if difference.lo > 0 or difference.hi < 0:
    says = "better" if (difference.lo > 0) != lower_is_better else "worse"
  return {**difference.as_dict(), "seeds": seeds, "says": says}


def _language(
  runs: Runs,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
  """(language, comparisons, differences) over the seeds of every arm."""
  bits: dict[str, dict[str, Any]] = {}
  compared: dict[str, dict[str, Any]] = {}
  differences: dict[str, dict[str, Any]] = {}
  base: dict[str, language.Score] = {}
  for of_seed in runs.values():
    for fragment in of_seed.values():
      for text, arms in fragment.scores.items():
        if "base" in arms:
          base.setdefault(text, arms["base"])
  for text, score in base.items():
    bits[text] = {"base": {"bits_per_byte": score.bits_per_byte}}
    what, more = compared.setdefault(f"language/{text}", {}), {}

    def share(
      fragment: Fragment, text: str = text, score: language.Score = score
    ) -> float:
      tuned = fragment.scores[text]["tuned"].bits_per_byte
      return tuned / score.bits_per_byte

    between = _pooled(runs, share)
    for arm, of_seed in runs.items():
      scores = {seed: f.scores[text]["tuned"] for seed, f in of_seed.items()}
      if any(not np.array_equal(s.bytes, score.bytes) for s in scores.values()):
        raise ValueError(f"arm {arm!r} was scored on another text {text!r}")
      mean = float(np.mean([s.bits_per_byte for s in scores.values()]))
      bits[text][arm] = {"bits_per_byte": mean}
      nats = np.stack([s.nats for s in scores.values()])
      suffix = "" if arm == REFERENCE else f"_{arm}"
      ratio = stats.ratio(nats, score.nats)
      what[f"bits_per_byte_ratio{suffix}"] = trainings.marked(ratio, len(nats))
      seeds = [seed for seed in scores if seed in runs[REFERENCE]]
      if suffix and seeds:
        theirs = [runs[REFERENCE][s].scores[text]["tuned"] for s in seeds]
        ratio = stats.ratio(
          np.stack([scores[s].nats for s in seeds]),
          np.stack([s.nats for s in theirs]),
          between=between,
        )
        increase = dataclasses.replace(
          ratio, mean=ratio.mean - 1, lo=ratio.lo - 1, hi=ratio.hi - 1
        )
        more[arm] = {"bits_per_byte": _verdict(increase, len(seeds), True)}
    differences[f"language/{text}"] = more
  return bits, compared, differences
