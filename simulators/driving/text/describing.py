"""Descriptions of moments: numpy observations in, English out.

| rendering | text |
|---|---|
| plain | short natural sentences with units, numbers in digits (`plain`) |
| compact | the same facts in rounded words, two thirds as many tokens |

Both say the task, the way and time left, the speeds, the lane, the last
decision, what the road has ahead, and the nearest car in each slot around the
ego (`words.SLOTS`). No sentence needs a plan or the future. Left out:
actors that are unseen, cars two or more lanes away, all but the nearest car of
a slot (two cars, if they are oncoming), and slots beyond the tokens that a
rendering may take: first `crossing`, whose cars a light stops, then the
farthest. The car ahead is always in the text.
"""

from types import ModuleType

from simulators.driving.text import compact, plain
from simulators.driving.text.view import View, views
from simulators.driving.text.words import tokens
from simulators.driving.types import ACTIONS, FAMILIES, Obs

RENDERINGS = {"plain": plain, "compact": compact}
TASKS = {
  "cruise": "Reach the goal in time: pass slow cars.",
  "follow": "Reach the goal; the car ahead may brake hard.",
  "signal": "Reach the goal: stop at red, go at green.",
  "pedestrian": "Reach the goal: let people cross first.",
  "merge": "Leave the ramp before your lane ends.",
  "turn": "Turn left; oncoming cars go first.",
  "blocked": "Pass the standing car by the other lane.",
  "mixed": "Reach the goal: mind cars, light and people.",
}
_UNITS = " Speeds are in m/s, distances in m, times in s."


def write(view: View, style: ModuleType) -> str:
  """The text of one moment in a rendering."""
  return _join([*style.sentences(view), *_slots(view, style).values()])


def omitted_slots(obs: Obs, rendering: str) -> list[set[str]]:
  """The slots of each row that are taken, but left out of its text."""
  style = RENDERINGS[rendering]
  return [set(view.cars) - set(_slots(view, style)) for view in views(obs)]


def _slots(view: View, style: ModuleType) -> dict[str, str]:
  """Slot -> its sentence, for the slots in the text."""
  parts = style.sentences(view)
  room = style.LIMIT - tokens(_join(parts))
  slots = {name: style.slot(name, cars) for name, cars in view.cars.items()}
  for name in sorted(slots, key=lambda name: _urgency(view, name)):
    room -= tokens(f" {slots[name]}.")
    if room < 0 and name != "ahead":
      del slots[name]
  return slots


def _urgency(view: View, slot: str) -> tuple[bool, bool, float]:
  """Sort key: slots of small keys come into the text first."""
  return slot != "ahead", slot == "crossing", view.cars[slot][0].gap


def _join(sentences: list[str]) -> str:
  return ". ".join(sentences) + "."


def describe(obs: Obs, rendering: str) -> list[str]:
  """One text for each row of a batch.

  Args:
    obs: numpy leaves [B, ...], after one `jax.device_get`.
    rendering: one of RENDERINGS.
  """
  return [write(view, RENDERINGS[rendering]) for view in views(obs)]


def instruction(obs: Obs) -> list[str]:
  """The task of each row's scenario family."""
  return [TASKS[FAMILIES[int(family)]] for family in obs.family]


def rules(rendering: str) -> str:
  """The nominal rules and how to answer: the shared prefix of prompts."""
  return (
    "You drive a car; each answer lasts one second. Do not hit anything, keep "
    "on the road, stop before a red light, let people cross, let oncoming cars "
    "go first, keep the limit. "
    "keep: go on. faster, slower: aim at four m/s more or less. go: aim at the "
    "limit. stop: brake. left, right: change lane. "
    f"Answers: {', '.join(ACTIONS)}. Answer with one word."
    + (_UNITS if rendering == "compact" else "")
  )
