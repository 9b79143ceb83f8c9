"""What the arms did, as the numbers of report.json."""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from glimo_jax.evaluate import answering, episodes, language, stats
from glimo_jax.evaluate.report import trainings
from glimo_jax.play.loop import Episode

_RATIO_FLOOR = 0.05  # a ratio to a base below this says nothing
_RIVALS = ("explorer", "script", "mlp")  # players without a language model

Acted = Mapping[str, Sequence[Sequence[Episode]]]  # arm -> runs
Answered = Mapping[str, Sequence[Sequence[answering.Answer]]]


def benchmark(
  acted: Acted,
  answered: Answered,
  known: trainings.KnownSpread,
  recipes: Collection[str] = ("tuned",),
) -> dict[str, dict[str, Any]]:
  """arm -> {"success", "qa"}: the summaries of what each arm did.

  Args:
    acted, answered: arm -> runs, one for each training.
    known: spread between trainings.
    recipes: names of the trained models.
  """
  out: dict[str, dict[str, Any]] = {}
  for arm in dict.fromkeys([*acted, *answered]):
    parts = out.setdefault(arm, {})
    if arm in acted:
      parts["success"] = episodes.summary(acted[arm])
    if arm in answered:
      parts["qa"] = answering.summary(answered[arm])
    if trainings.trained(arm, recipes):
      for measure, values in parts.items():
        seeds = len((acted if measure == "success" else answered)[arm])
        spread = known.spread(measure)
        parts[measure] = trainings.marked(values, seeds, spread, True)
        if "spl" in values:
          spl = trainings.marked(values["spl"], seeds, spread, True)
          parts[measure]["spl"] = spl
  return out


def compare(
  acted: Acted, answered: Answered, known: trainings.KnownSpread
) -> dict[str, Any]:
  """Paired comparisons of tuned with base on one benchmark.

  Args:
    acted, answered: arm -> runs, one for each training.
    known: spread between trainings.

  Returns:
    `headline`: (tuned - random) / (oracle - random); `headline_base`: the
    same for the base; `success_gain`, `qa_gain`: tuned - base;
    `success_over_ARM`: tuned - each other rival that played; `spl_gain`: tuned
    - base, where the shortest ways are known;
    `qa_gain_GROUP` for the groups of `answering.groups`; `success_ratio`:
    tuned / base, only where the base reaches 0.05; `NAME_difference`: tuned -
    base of each measure of the world. Each is {"mean", "lo", "hi", "n",
    "seeds"}; `headline_base`, where no training has a part, has no seeds. A
    comparison is left out where it lacks an arm or has one level only.
  """
  won = {arm: episodes.successes(runs) for arm, runs in acted.items()}
  out = {}
  several = won and next(iter(won.values())).shape[1] > 1
  if several and {"random", "oracle", "tuned", "base"} <= won.keys():
    for name, arm in (("headline", "tuned"), ("headline_base", "base")):
      out[name] = stats.normalised(won[arm], won["random"], won["oracle"])
  if several and "tuned" in won:
    for arm in [arm for arm in _RIVALS if arm in won]:
      out[f"success_over_{arm}"] = stats.paired(won["tuned"], won[arm])
  if several and {"tuned", "base"} <= won.keys():
    out["success_gain"] = stats.paired(won["tuned"], won["base"])
    ours, theirs = episodes.spl(acted["tuned"]), episodes.spl(acted["base"])
    if ours is not None and theirs is not None and ours.shape[1] > 1:
      out["spl_gain"] = stats.paired(ours, theirs)
    base = won["base"].mean()
    if base >= _RATIO_FLOOR:
      share = float(won["tuned"].mean() / base)
      out["success_ratio"] = stats.Interval(
        share, math.nan, math.nan, won["base"].shape[1]
      )
    tuned_measures = episodes.measures(acted["tuned"])
    base_measures = episodes.measures(acted["base"])
    for name in [n for n in tuned_measures if n in base_measures]:
      out[f"{name}_difference"] = stats.paired(
        tuned_measures[name], base_measures[name]
      )
  if {"tuned", "base"} <= answered.keys():
    tuned, base = answered["tuned"], answered["base"]
    out["qa_gain"] = answering.compare(tuned, base)
    for group, rows in answering.groups(tuned[0]).items():
      ours, theirs = (
        [[run[i] for i in rows] for run in runs] for runs in (tuned, base)
      )
      out[f"qa_gain_{group}"] = answering.compare(ours, theirs)
  return {
    name: _one_training(name, interval, acted, answered, known)
    for name, interval in out.items()
  }


def _one_training(
  name: str,
  interval: stats.Interval,
  acted: Acted,
  answered: Answered,
  known: trainings.KnownSpread,
) -> dict[str, Any]:
  """A comparison as JSON; that of a single training is widened."""
  if name == "headline_base":
    return interval.as_dict()
  if name.startswith("qa_"):
    return trainings.marked(
      interval, len(answered["tuned"]), known.spread("qa")
    )
  spread = known.spread("success")
  if name.endswith("_difference"):  # a measure whose spread is not known
    spread = None
  elif name == "headline" and spread is not None:
    random, oracle = (
      episodes.successes(acted[arm]).mean() for arm in ("random", "oracle")
    )
    sd = spread.sd / (oracle - random) if oracle > random else 0.0
    spread = dataclasses.replace(spread, sd=float(sd))
  return trainings.marked(interval, len(acted["tuned"]), spread)


def compare_language(
  scores: language.Scores,
) -> tuple[dict[str, Any], dict[str, Any]]:
  """(language, comparisons), as in report.json, of the arms base and tuned."""
  bits = {
    text: {arm: {"bits_per_byte": s.bits_per_byte} for arm, s in arms.items()}
    for text, arms in scores.items()
  }
  compared = {
    f"language/{text}": {
      "bits_per_byte_ratio": trainings.marked(
        language.compare(arms["tuned"], arms["base"]), 1
      )
    }
    for text, arms in scores.items()
    if {"tuned", "base"} <= arms.keys()
  }
  return bits, compared
