"""The real world and its imperfect variants, each a value of Params.

| name | difference from `real` |
|---|---|
| real | nothing |
| imperfect/swapped(k) | other words for all tools and elements, drawn by k |
| imperfect/wrong-rules(p) | a share p of what opens what, not in the prompt |
| imperfect/slippery(p) | a random move replaces the chosen one, chance p |
| imperfect/failing(p) | a move does nothing, chance p |
| imperfect/blind(p) | each tool and element goes unseen, chance p a step |
| imperfect/misread(p) | each is taken for another kind, chance p a step |
| imperfect/no-hazards | there are no hazards |
| imperfect/many-hands | taking a tool puts none down |
"""

import dataclasses
import re
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from simulators import fields
from simulators.agentworld.types import Params
from simulators.agentworld.vocabulary import (
  KINDS,
  OOD_KINDS,
  REAL_ELEMENTS,
  REAL_TOOLS,
  SWAPPED_ELEMENTS,
  SWAPPED_TOOLS,
)

VARIANTS = (
  "real",
  "imperfect/swapped(k)",
  "imperfect/wrong-rules(p)",
  "imperfect/slippery(p)",
  "imperfect/failing(p)",
  "imperfect/blind(p)",
  "imperfect/misread(p)",
  "imperfect/no-hazards",
  "imperfect/many-hands",
)

# A probability in Params -> the variant that sets it.
_CHANCES = {
  "slip": "imperfect/slippery",
  "failure": "imperfect/failing",
  "dropout": "imperfect/blind",
  "misread": "imperfect/misread",
}


def _params(
  *,
  tool_id: np.ndarray | None = None,
  element_id: np.ndarray | None = None,
  opens: np.ndarray | None = None,
  hazardous: bool = True,
  one_hand: bool = True,
  chances: Mapping[str, float] | None = None,
) -> Params:
  """The real rules but for what is given; `chances` by field of Params."""
  names, same = np.arange(KINDS), np.eye(KINDS, dtype=bool)
  chances = dict.fromkeys(_CHANCES, 0.0) | dict(chances or {})
  return Params(
    tool_id=jnp.asarray(names if tool_id is None else tool_id, jnp.int32),
    element_id=jnp.asarray(
      names if element_id is None else element_id, jnp.int32
    ),
    opens=jnp.asarray(same if opens is None else opens),
    nominal=jnp.asarray(same),
    hazardous=jnp.asarray(hazardous),
    one_hand=jnp.asarray(one_hand),
    **{name: jnp.asarray(p, jnp.float32) for name, p in chances.items()},
  )


def _swapped(k: int) -> Params:
  """Eight tools and eight elements of the swapped words, paired at random."""
  rng = np.random.default_rng(k)
  tools = rng.permutation(len(SWAPPED_TOOLS))[:KINDS] + len(REAL_TOOLS)
  elements = rng.permutation(len(SWAPPED_ELEMENTS))[:KINDS]
  return _params(tool_id=tools, element_id=elements + len(REAL_ELEMENTS))


def _wrong_rules(p: float) -> Params:
  """A share p of the pairs trade places in `opens`; at least two if p > 0.

  The kinds of all splits change before those of `ood-chain`, so that every
  wrong rule matters there.
  """
  rng = np.random.default_rng(0)
  usual = KINDS - OOD_KINDS
  order = np.append(rng.permutation(usual), usual + rng.permutation(OOD_KINDS))
  wrong = order[: max(2, round(p * KINDS)) if p > 0 else 0]
  opened = np.arange(KINDS)
  opened[wrong] = np.roll(wrong, 1)
  return _params(opens=np.eye(KINDS, dtype=bool)[opened])


def parse(variant: str, one_hand: bool = True) -> Params:
  """The rules that `variant` names.

  Args:
    variant: a name, with its argument.
    one_hand: `Config.one_hand`: False makes every variant one of many hands.

  Raises:
    ValueError: the name is unknown (gives the nearest) or its argument is
      wrong.
  """
  params = _parse(variant)
  return dataclasses.replace(params, one_hand=params.one_hand & one_hand)


def _parse(variant: str) -> Params:
  match = re.fullmatch(r"([^()]*?)\s*(?:\(\s*([^()]*?)\s*\))?", variant)
  name, argument = match.groups() if match else (variant, None)
  if name == "real" and argument is None:
    return _params()
  if name == "imperfect/no-hazards" and argument is None:
    return _params(hazardous=False)
  if name == "imperfect/many-hands" and argument is None:
    return _params(one_hand=False)
  if name == "imperfect/swapped":
    k = "0" if argument is None else argument
    if not k.isdecimal():
      raise ValueError(
        f"variant {variant!r} needs a whole number of at least 0: write it as "
        "'imperfect/swapped(1)'"
      )
    return _swapped(int(k))
  if name == "imperfect/wrong-rules":
    return _wrong_rules(_share(variant, name, argument))
  for chance, named in _CHANCES.items():
    if name == named:
      return _params(chances={chance: _share(variant, name, argument)})
  raise ValueError(fields.unknown("variant", variant, VARIANTS))


def _share(variant: str, name: str, argument: str | None) -> float:
  """The argument as a number in 0..1."""
  try:
    share = float(argument or "")
  except ValueError:
    share = float("nan")
  if not 0.0 <= share <= 1.0:
    raise ValueError(
      f"variant {variant!r} needs a number in 0..1: write it as '{name}(0.25)'"
    )
  return share
