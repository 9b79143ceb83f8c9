"""The real world and its imperfect copies, each a value of Params.

| name | what differs from `real` |
|---|---|
| real | nothing |
| imperfect/temper(x) | all drivers shifted, x in -1 (timid) .. 1 (aggressive) |
| imperfect/delayed(t) | drivers react t s late, at most 1 |
| imperfect/slippery(mu) | friction mu instead of 0.8 |
| imperfect/lag(t) | engine and brakes answer with time constant t s |
| imperfect/delay(t) | a decision takes hold after t s, at most 1 |
| imperfect/noisy(p) | distances and speeds are seen with relative deviation p |
| imperfect/blind(p) | each actor goes unseen, chance p a decision |
| imperfect/narrow(w) | lanes w m wide instead of 3.5 |
| imperfect/no-cars, no-trucks, no-pedestrians, no-signals | a kind is missing |
| imperfect/highway | drivers by highway-env's IDM and its numbers |
"""

import difflib
import re

import jax.numpy as jnp

from simulators.driving.types import Params

_REAL = dict(
  accel=1.5, brake=2.0, headway=1.2, gap=2.0, exponent=4.0, clamped=1.0,
  centred=0.0, limit=8.0, temper=0.0, reaction=0.0, politeness=0.2,
  safe_brake=2.0, threshold=0.2, right_bias=0.1, friction=0.8, lag=0.2,
  delay=0.1, lane_width=3.5, noise=0.0, dropout=0.0,
)  # fmt: skip
# highway_env/vehicle/behavior.py, IDMVehicle: constants of release 1.12.
_HIGHWAY = dict(
  accel=3.0, brake=5.0, headway=1.5, gap=10.0, clamped=0.0, centred=1.0,
  limit=6.0, politeness=0.0, safe_brake=2.0, threshold=0.2, right_bias=0.0,
)  # fmt: skip
_KINDS = ("cars", "trucks", "pedestrians", "signals")
# name -> field, least, greatest, an example
_DIALS = {
  "temper": ("temper", -1.0, 1.0, "-0.5"),
  "delayed": ("reaction", 0.0, 1.0, "0.6"),
  "slippery": ("friction", 0.05, 1.2, "0.3"),
  "lag": ("lag", 0.05, 2.0, "0.6"),
  "delay": ("delay", 0.0, 1.0, "0.5"),
  "noisy": ("noise", 0.0, 1.0, "0.2"),
  "blind": ("dropout", 0.0, 1.0, "0.3"),
  "narrow": ("lane_width", 2.5, 4.5, "2.8"),
}
VARIANTS = (
  "real",
  "imperfect/temper(x)",
  "imperfect/delayed(t)",
  "imperfect/slippery(mu)",
  "imperfect/lag(t)",
  "imperfect/delay(t)",
  "imperfect/noisy(p)",
  "imperfect/blind(p)",
  "imperfect/narrow(w)",
  *(f"imperfect/no-{kind}" for kind in _KINDS),
  "imperfect/highway",
)


def _params(without: str = "", **changed: float) -> Params:
  values = {
    name: jnp.asarray(value, jnp.float32)
    for name, value in (_REAL | changed).items()
  }
  return Params(present=jnp.array([k != without for k in _KINDS]), **values)


def parse(variant: str) -> Params:
  """The rules that `variant` names.

  Raises:
    ValueError: for an unknown name (the nearest is given) or a bad argument.
  """
  match = re.fullmatch(r"([^()]*?)\s*(?:\(\s*([^()]*?)\s*\))?", variant)
  name, argument = match.groups() if match else (variant, None)
  short = name.removeprefix("imperfect/")
  if name.startswith("imperfect/") and short in _DIALS:
    return _dialled(variant, short, argument)
  if argument is None:
    if name == "real":
      return _params()
    if name == "imperfect/highway":
      return _params(**_HIGHWAY)
    if name in VARIANTS:
      return _params(short.removeprefix("no-"))
  near = difflib.get_close_matches(variant, VARIANTS, 1, cutoff=0.0)[0]
  raise ValueError(
    f"variant {variant!r} is unknown: did you mean {near!r}? "
    f"Variants are {', '.join(VARIANTS)}"
  )


def _dialled(variant: str, short: str, argument: str | None) -> Params:
  field, least, greatest, example = _DIALS[short]
  try:
    value = float(argument or "")
  except ValueError:
    value = float("nan")
  if not least <= value <= greatest:
    raise ValueError(
      f"{variant!r}: give a number in {least}..{greatest}, as in "
      f"'imperfect/{short}({example})'"
    )
  return _params(**{field: value})
