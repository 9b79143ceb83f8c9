"""On-policy experience: the tuned model plays, and what it gets wrong counts.

The model acts in the imperfect worlds it was trained in, never in `real`. A
moment's surprise is here -log p of the actions that are right there, by the
label source: large where the model would have failed. Moments are drawn by it
and by how seldom they were seen, as in `collect`.
"""

import dataclasses

import numpy as np

from glimo_jax.agent import prompts
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.tools import Tools
from glimo_jax.data import collect, surprise
from glimo_jax.data.annotate import AnnotateConfig
from glimo_jax.data.collect import CollectConfig, Progress
from glimo_jax.types import Experience
from simulators.base import LevelPool, World
from simulators.text_world import TextWorld


@dataclasses.dataclass(frozen=True)
class RoundsConfig:
  """Rounds of play by the tuned model, each followed by training on it.

  Attributes:
    count: rounds; 0 for none.
    episodes: episodes of a round, shared out to the variants.
    temperature: of the draws of actions.
    moments: moments kept of a round.
    next_actions: rows of a round that ask for the next action.
    questions: rows of a round that ask about a moment, of what the model
      answers wrongly.
    steps: optimizer steps of a round; half the rows are earlier ones.
  """

  count: int = 0
  episodes: int = 96
  temperature: float = 1.0
  moments: int = 400
  next_actions: int = 400
  questions: int = 0
  steps: int = 40

  def __post_init__(self):
    if self.count < 0:
      raise ValueError(f"rounds.count {self.count} must not be negative")
    for name in ("episodes", "moments", "next_actions", "steps"):
      if getattr(self, name) < 1:
        raise ValueError(
          f"rounds.{name} {getattr(self, name)} must be at least 1: raise it, "
          "or set rounds.count to 0"
        )
    if self.questions < 0:
      raise ValueError(
        f"rounds.questions {self.questions} must not be negative"
      )
    if not self.temperature > 0:
      raise ValueError(
        f"rounds.temperature {self.temperature} must be positive: the model "
        "meets only what it draws"
      )


def annotating(
  first: AnnotateConfig, config: RoundsConfig, number: int
) -> AnnotateConfig:
  """How a round's rows are written: as the first ones, but by the tools alone
  where they may act, and all of the acting ones by the model elsewhere."""
  return dataclasses.replace(
    first,
    questions=config.questions,
    next_actions=config.next_actions,
    plans=0,
    llm_questions=0,
    llm_actions=0 if first.tools_act else config.next_actions,
    llm_plans=0,
    seed=first.seed + number,
  )


def play(
  world: World,
  played: CollectConfig,
  config: RoundsConfig,
  lm: LanguageModel,
  tools: Tools,
  number: int,
  progress: Progress | None = None,
) -> list[Experience]:
  """What the model met in its own play, the hard and the rare rather.

  Args:
    world: the simulator.
    played: variants, levels and longest episode, as in the first collection.
    config: see RoundsConfig.
    lm: the tuned model.
    tools: measures which actions are right.
    number: of the round; every round plays other episodes.
    progress: called with (steps played, steps at most).

  Returns:
    At most `config.moments` moments, by episode and time.
  """
  rng = np.random.default_rng([played.seed, number])
  share = -(-config.episodes // len(played.variants))
  steps = len(played.variants) * played.steps
  moments: list[Experience] = []
  logprobs: list[np.ndarray] = []
  for v, variant in enumerate(played.variants):
    levels = np.resize(rng.permutation(len(tools.pool)), share)
    seeds = rng.integers(2**31, size=share).astype(np.int32)

    def told(step, before=v * played.steps):
      if progress is not None:
        progress(before + step, steps)

    for start, (texts, goals, actions, won, logps) in zip(
      _openings(world, variant, tools.pool, levels, seeds),
      _episodes(world, variant, tools.pool, levels, seeds, lm,
                played.steps, config.temperature, rng, told),
      strict=True,
    ):  # fmt: skip
      moments += collect.history(start, texts, goals, actions, won)
      logprobs += logps
  nats = surprise.of_right_actions(tools, moments, logprobs)
  return surprise.choose(moments, nats, config.moments, rng)


def _openings(world, variant, pool: LevelPool, levels, seeds):
  return [
    collect.opening(world, variant, pool, level, seed, "policy")
    for level, seed in zip(levels, seeds, strict=True)
  ]


def _episodes(
  world, variant, pool, levels, seeds, lm, steps, temperature, rng, told
):
  """(texts, goals, actions, success, logprobs) of each episode, in lock step.

  `logprobs` are f64[A] before each action, over the actions.
  """
  text_world = TextWorld(world, world.params(variant), pool)
  texts = text_world.reset(levels, seeds)
  said = [[text] for text in texts]
  goals = [[goal] for goal in text_world.instruction]
  actions: list[list[int]] = [[] for _ in texts]
  scores: list[list[np.ndarray]] = [[] for _ in texts]
  live = list(range(len(texts)))
  for step in range(steps):
    new = list(dict.fromkeys(said[row][-1] for row in live))
    known = lm.loglik(
      [prompts.acting(text_world.preamble, text) for text in new],
      [world.actions] * len(new),
    )
    by_text = {
      t: np.asarray(s, np.float64) for t, s in zip(new, known, strict=True)
    }
    chosen = np.zeros(len(texts), np.int32)
    for row in live:
      logp = by_text[said[row][-1]]
      logp = logp - np.logaddexp.reduce(logp)
      noise = rng.gumbel(size=len(logp))
      chosen[row] = np.argmax(logp / temperature + noise)
      actions[row].append(int(chosen[row]))
      scores[row].append(logp)
    texts, _, done = text_world.step(chosen)
    for row in live:
      said[row].append(texts[row])
      goals[row].append(text_world.instruction[row])
    live = [row for row in live if not done[row]]
    told(step + 1)
    if not live:
      break
  told(steps)
  won = [bool(x) for x in text_world.success]
  return list(zip(said, goals, actions, won, scores, strict=True))
