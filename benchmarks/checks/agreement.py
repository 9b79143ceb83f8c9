"""Do two implementations give the same answers to AgentWorld's questions?

  python -m benchmarks.checks.agreement [--checks=1000] [--seed=0]
    [--worlds ...]

Draws levels, places the agent anywhere with some tools in hand, moves at random
and asks every kind of question, under true, swapped, wrong, misread and missing
rules. `reference`, in plain Python, answers each kind again until it has enough
checks. Kinds for which `reference` searches whole levels are checked with a box
only in levels of side 5. Also shows the share of the commonest answer of each
kind.
"""

import collections
import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np

import simulators
from benchmarks import common
from simulators import rollout
from simulators.agentworld import reference
from simulators.agentworld.game import dynamics, levels
from simulators.agentworld.game.inventory import inventory
from simulators.agentworld.questions.sampling import KINDS
from simulators.agentworld.reference import SEARCHED
from simulators.agentworld.vocabulary import GOALS

SMALL = {"walls": 2, "sides": (5, 6, 7), "larger": ()}
CROWDED = {
  "size": 6, "boxes": 1, "hazards": 3, "walls": 2, "detour": 0,
  "goals": GOALS, "larger": (),
  "kinds": tuple(kind for kind in KINDS if kind not in SEARCHED),
}  # fmt: skip
BOXED = {
  "size": 5, "sides": (5,), "larger": (), "boxes": 1, "hazards": 2, "walls": 2,
  "goals": GOALS, "kinds": SEARCHED,
}  # fmt: skip
_RULES = (
  "real", "imperfect/swapped(0)", "imperfect/wrong-rules(0.5)",
  "imperfect/misread(0.3)",
)  # fmt: skip
# World -> (fields of its Config, variants).
WORLDS = {
  "small": (SMALL, _RULES),
  "crowded": (CROWDED, (*_RULES, "imperfect/no-hazards")),
  "boxed": (BOXED, ("real", "imperfect/wrong-rules(0.5)")),
}
_NEVER = {("imperfect/no-hazards", "deadly")}  # the answer would always be no
BATCH = 256  # moments drawn at a time
DEPTHS = 3  # number of chain depths, from 0
WALK = 6  # random moves at most


@dataclasses.dataclass(frozen=True)
class Row:
  """Result of one kind.

  Attributes:
    kind: its name.
    checks: questions that were answered twice.
    equal: of these, with the same answer.
    real: share of the commonest answer under true rules, in the small world
      if it asks the kind.
    wrong: the same under wrong rules.
  """

  kind: str
  checks: int
  equal: int
  real: float
  wrong: float


def moments(world):
  """(key, params) -> (states, questions, bool[BATCH] of usable rows)."""
  config = world.config

  def one(key, params):
    draw, sizes, place, hold, reset, walk, ask = jax.random.split(key, 7)
    depth, side, length = jax.random.randint(
      sizes, (3,), 0, jnp.array([DEPTHS, len(config.sides), WALK])
    )
    sides = jnp.array(config.sides)
    level, ok, _ = levels.generate(draw, depth, sides[side], config)
    state = world.reset(reset, params, level)
    env = state.env_state
    free = ~level.wall & ~level.hazard
    for cells in (level.element_at, env.boxes):
      free = free.at[cells[:, 0], cells[:, 1]].set(False)
    chance = jnp.where(free, jax.random.uniform(place, free.shape), -1.0)
    agent = jnp.stack(jnp.unravel_index(jnp.argmax(chance), free.shape))
    slots = inventory(config.pairs).slot
    slots = slots[(slots < 0).sum(-1) < 2]  # at most one tool in hand
    slot = jnp.asarray(slots)[jax.random.randint(hold, (), 0, len(slots))]
    there = dynamics.at(level.tool_at, agent)
    env = env.replace(agent=agent.astype(jnp.int32), slot=slot)
    found = dynamics.at(dynamics.tools_at(level, env.place), agent)
    slot = dynamics.take(env.place, found, jnp.argmax(there), params)
    env = env.replace(slot=slot.astype(jnp.int32))
    state = state.replace(env_state=env)
    actions = jax.random.randint(walk, (WALK,), 0, len(world.actions))

    def take(i, state):
      new = world.step(state, actions[i], params)
      return rollout.keep(state, new, state.done | (i > length))

    state = jax.lax.fori_loop(0, WALK, take, state)
    return state, world.sample_questions(ask, state, params), ok

  many = jax.vmap(one, (0, None))
  return jax.jit(lambda key, params: many(jax.random.split(key, BATCH), params))


def check(checks: int, seed: int, names=tuple(WORLDS)) -> list[Row]:
  """Answers questions of every kind of some worlds twice."""
  worlds = {
    name: simulators.make("agentworld", **WORLDS[name][0]) for name in names
  }
  draw = {name: moments(world) for name, world in worlds.items()}
  each = [(name, rules) for name in names for rules in WORLDS[name][1]]
  todo = {
    (name, rules, kind)
    for name, rules in each
    for kind in worlds[name].question_kinds
    if (rules, kind) not in _NEVER
  }
  asked_in = collections.Counter(kind for _, _, kind in todo)
  share = {kind: -(-checks // n) for kind, n in asked_in.items()}
  checked, equal = collections.Counter(), collections.Counter()
  answers = collections.defaultdict(collections.Counter)
  for batch in itertools.count():
    for name, rules in each:
      names = worlds[name].question_kinds
      if not any((name, rules, kind) in todo for kind in names):
        continue
      params = worlds[name].params(rules)
      key = jax.random.fold_in(jax.random.key(seed), batch)
      states, asked, ok = jax.device_get(draw[name](key, params))
      for i, k in np.argwhere(asked.valid & ok[:, None]):
        at, code = (
          (name, rules, names[k]),
          asked.options[i, k][asked.answer[i, k]],
        )
        answers[at][int(code)] += 1
        if at not in todo:
          continue
        game = _game(states, i, params)
        expected = reference.answer(game, names[k], asked.args[i, k])
        checked[at] += 1
        equal[at] += int(expected == code)
        if checked[at] >= share[names[k]]:
          todo.discard(at)
    print(f"batch {batch}: {len(todo)} left", flush=True)
    if not todo:
      break

  def commonest(rules, kind):
    home = next(n for n in worlds if kind in worlds[n].question_kinds)
    count = answers[home, rules, kind]
    return max(count.values(), default=0) / max(1, count.total())

  return [
    Row(
      kind=kind,
      checks=sum(checked[(*at, kind)] for at in each),
      equal=sum(equal[(*at, kind)] for at in each),
      real=commonest("real", kind),
      wrong=commonest("imperfect/wrong-rules(0.5)", kind),
    )
    for kind in KINDS
    if kind in asked_in
  ]


def _game(states, i: int, params) -> reference.Game:
  env = jax.tree.map(lambda x: x[i], states.env_state)
  return reference.Game.from_state(env, params)


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--checks", type=int, default=1000, help="of each kind")
  flags.add_argument("--seed", type=int, default=0)
  flags.add_argument("--worlds", nargs="*", choices=WORLDS, default=[*WORLDS])
  args = flags.parse_args()
  rows = check(args.checks, args.seed, args.worlds)
  print(f"{'kind':14} {'checks':>7} {'equal':>7} {'real':>6} {'wrong':>6}")
  for row in rows:
    print(
      f"{row.kind:14} {row.checks:7} {row.equal:7} {row.real:6.0%} "
      f"{row.wrong:6.0%}"
    )
  print(f"all: {sum(r.equal for r in rows)} of {sum(r.checks for r in rows)}")
  common.report(rows, {}, args.json)


if __name__ == "__main__":
  main()
