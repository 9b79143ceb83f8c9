"""Short claims about a moment: read from text, and checked by the simulator.

A world that is `HasClaims` publishes a few kinds of claim, each with its form.
What fits no form is no claim: nothing else in a text can change a verdict.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from simulators.types import PyTree, State


@dataclasses.dataclass(frozen=True)
class Claim:
  """What one sentence claims.

  Attributes:
    kind: name of the kind.
    words: what fills the gaps of its form; "" for a gap that is left out.
    action: the word of the action whose effect is claimed; "" for none.
  """

  kind: str
  words: tuple[str, ...]
  action: str = ""


@dataclasses.dataclass(frozen=True)
class Outlook:
  """One moment and what each action makes of it, with numpy leaves.

  Attributes:
    state: the moment.
    after: the moment after each action, under the same draws of chance.
    params: the rules.
    actions: the words of the actions.
  """

  state: State
  after: Sequence[State]
  params: PyTree
  actions: Sequence[str]

  def then(self, action: str) -> State:
    """The moment after an action, given by its word."""
    return self.after[self.actions.index(action)]


@dataclasses.dataclass(frozen=True)
class ClaimKind:
  """One kind of claim: everything about it but its second path.

  Attributes:
    name: unique in its world; a function of this name in the reference checks
      it a second time.
    form: a regular expression for the whole sentence, in lower case; a group
      `action` names an action.
    holds: (outlook, *words) -> whether the claim is true.
  """

  name: str
  form: str
  holds: Callable[..., bool]

  def read(self, sentence: str) -> Claim | None:
    """The claim of a sentence in lower case; None if it has another form."""
    found = re.fullmatch(self.form, sentence)
    if found is None:
      return None
    words = tuple(word or "" for word in found.groups())
    return Claim(self.name, words, found.groupdict().get("action") or "")


def read(text: str, kinds: Sequence[ClaimKind]) -> Claim | None:
  """What a sentence claims; None if it has the form of no kind."""
  sentence = " ".join(text.lower().split()).strip(" .")
  found = (kind.read(sentence) for kind in kinds)
  return next((claim for claim in found if claim is not None), None)


def holds(claim: Claim, outlook: Outlook, kinds: Sequence[ClaimKind]) -> bool:
  """Whether a claim that `read` gave is true."""
  (kind,) = (kind for kind in kinds if kind.name == claim.kind)
  return bool(kind.holds(outlook, *claim.words))


def is_true(text: str, outlook: Outlook, kinds: Sequence[ClaimKind]) -> bool:
  """Whether a sentence is a claim, and true."""
  claim = read(text, kinds)
  return claim is not None and holds(claim, outlook, kinds)


@runtime_checkable
class HasClaims(Protocol):
  """A world that checks claims about its moments, and makes true ones.

  Where the world is `HasReference`, `reference.claims(game, claim)` tells
  independently whether a claim is true.

  Attributes:
    claim_forms: one example of each kind, for those who write claims.
  """

  claim_forms: tuple[str, ...]

  def parse_claim(self, text: str) -> Claim | None:
    """What one sentence claims; None if it is no claim."""
    ...

  def check_claim(self, claim: Claim, outlook: Outlook) -> bool:
    """Whether a claim is true, by the simulator and the row's own rules."""
    ...

  def explain(
    self, action: str, outlook: Outlook, things: tuple[str, ...]
  ) -> tuple[str, ...]:
    """True claims that say why an action is good; () where there are none.

    Args:
      action: its word.
      outlook: the moment.
      things: what the best way leads to, the next first, where it is known
        (`HasSubgoals.chain`).
    """
    ...


def check_claims(world: Any, section: str) -> HasClaims:
  """The world itself, where it has claims.

  Args:
    world: the world.
    section: the settings that need claims, for the error.

  Raises:
    ValueError: it has none, or its reference cannot check them.
  """
  name = world.name
  if not isinstance(world, HasClaims):
    raise ValueError(
      f"world {name!r} has no claims: give it the members of "
      f"simulators.claims.HasClaims, or set {section}rows to 0"
    )
  reference = getattr(world, "reference", None)
  if reference is not None and not hasattr(reference, "claims"):
    raise ValueError(
      f"the reference of world {name!r} has no `claims(game, claim)`: "
      f"add it (simulators.claims.HasClaims), or set {section}rows to 0"
    )
  return world
