"""The real world and its imperfect variants, each a value of `Params`.

| name | what differs from `real` |
|---|---|
| real | nothing |
| imperfect/temper(x) | all drivers shifted by x, -1 (timid) .. 1 (aggressive) |
| imperfect/delayed(t) | drivers react t s late, at most 1 |
| imperfect/slippery(mu) | friction mu instead of 0.8 |
| imperfect/lag(t) | engine and brakes answer with time constant t s |
| imperfect/delay(t) | a decision takes effect after t s, at most 1 |
| imperfect/noisy(p) | seen distances and speeds deviate by the share p |
| imperfect/blind(p) | each actor is unseen with probability p per decision |
| imperfect/narrow(w) | lanes w m wide instead of 3.5 |
| imperfect/no-cars, no-trucks, ... | no cars, trucks, pedestrians or signals |
| imperfect/highway | drivers follow highway-env's IDM with its numbers |
"""

import re

import jax.numpy as jnp

from simulators import fields
from simulators.driving.types import Params

_REAL = dict(
  accel=1.5, brake=2.0, headway=1.2, gap=2.0, exponent=4.0, clamped=1.0,
  centred=0.0, limit=8.0, temper=0.0, reaction=0.0, politeness=0.2,
  safe_brake=2.0, threshold=0.2, right_bias=0.1, friction=0.8, lag=0.2,
  delay=0.1, lane_width=3.5, noise=0.0, dropout=0.0,
)  # fmt: skip
# The constants of IDMVehicle in highway_env/vehicle/behavior.py, release 1.12.
_HIGHWAY = dict(
  accel=3.0, brake=5.0, headway=1.5, gap=10.0, clamped=0.0, centred=1.0,
  limit=6.0, politeness=0.0, safe_brake=2.0, threshold=0.2, right_bias=0.0,
)  # fmt: skip
_KINDS = ("cars", "trucks", "pedestrians", "signals")
# name -> field of Params, least value, greatest value, an example
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


def _params(
  changed: dict[str, float] | None = None, without: str = ""
) -> Params:
  """The real rules with some fields changed, or without a kind of actor."""
  values = {
    name: jnp.asarray(value, jnp.float32)
    for name, value in (_REAL | (changed or {})).items()
  }
  return Params(present=jnp.array([k != without for k in _KINDS]), **values)


def parse(variant: str) -> Params:
  """The rules of a variant, such as "imperfect/slippery(0.3)".

  Raises:
    ValueError: the name is unknown, or its argument is not in the range.
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
      return _params(_HIGHWAY)
    if name in VARIANTS:
      return _params(without=short.removeprefix("no-"))
  raise ValueError(fields.unknown("variant", variant, VARIANTS))


def _dialled(variant: str, short: str, argument: str | None) -> Params:
  """The rules of a variant that takes a number."""
  field, least, greatest, example = _DIALS[short]
  try:
    value = float(argument or "")
  except ValueError:
    value = float("nan")
  if not least <= value <= greatest:
    raise ValueError(
      f"argument of {variant!r} must be a number in {least}..{greatest}: "
      f"write 'imperfect/{short}({example})', for example"
    )
  return _params({field: value})
