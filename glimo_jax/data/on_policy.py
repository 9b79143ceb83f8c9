"""On-policy experience: the tuned model plays the imperfect worlds.

The surprise of a moment is -log p of its right actions, by the label source:
large where the model would fail. Moments are sampled by it and by rarity, as in
`collect`.
"""

import dataclasses
import math

import numpy as np

from glimo_jax import fields
from glimo_jax.agent.llm import LanguageModel
from glimo_jax.agent.skills import SKILLS
from glimo_jax.agent.tools import Tools
from glimo_jax.data import surprise
from glimo_jax.data.annotate import AnnotateConfig
from glimo_jax.data.collect import CollectConfig, Progress
from glimo_jax.data.collecting.episodes import history, opening
from glimo_jax.play import loop, policies, writers
from glimo_jax.types import Experience
from simulators.text_world import TextWorld


def _default_rows() -> dict[str, int]:
  return {"next_action": 400}


@dataclasses.dataclass(frozen=True)
class RoundsConfig:
  """On-policy rounds: the tuned model plays, then trains on those moments.

  Attributes:
    count: rounds; 0 for none.
    episodes: episodes of a round, divided among the variants; where there are
      more variants, some of them are drawn.
    temperature: of the sampling of actions.
    moments: moments kept of a round.
    rows: skill -> rows of a round; questions are those that the model answers
      wrongly. Skills that are not named have none.
    steps: optimizer steps of a round; half of its rows are from before.
  """

  count: int = 0
  episodes: int = 96
  temperature: float = 1.0
  moments: int = 400
  rows: dict[str, int] = dataclasses.field(default_factory=_default_rows)
  steps: int = 40

  def __post_init__(self):
    fields.check_ranges(
      self,
      "rounds.",
      at_least={"count": 0, "episodes": 1, "moments": 1, "steps": 1},
      above={"temperature": 0},
    )
    for skill, rows in self.rows.items():
      fields.check_known("skill of rounds.rows", skill, SKILLS)
      if rows < 0:
        raise ValueError(f"rounds.rows.{skill} {rows} must be at least 0")
    if self.count and not sum(self.rows.values()):
      raise ValueError(
        "rounds.rows has no rows: set rounds.rows.next_action to 1 or more, or "
        "rounds.count to 0"
      )

  def annotate(self, first: AnnotateConfig, number: int) -> AnnotateConfig:
    """How the rows of round `number` are written.

    As in the first annotation, but the tools write all rows, except acting
    rows where no tool may write them.
    """
    skills = {}
    for name, skill in first.skills.items():
      rows = self.rows.get(name, 0)
      by_model = skill.labelled and not first.tools_act
      skills[name] = dataclasses.replace(
        skill, rows=rows, drafted=rows if by_model else 0
      )
    return dataclasses.replace(first, skills=skills, seed=first.seed + number)


def play(
  played: CollectConfig,
  config: RoundsConfig,
  lm: LanguageModel,
  tools: Tools,
  number: int,
  progress: Progress | None = None,
  rationale: bool = False,
) -> list[Experience]:
  """Samples moments from the model's own episodes.

  Args:
    played: variants and longest episode, as in the first collection.
    config: see RoundsConfig.
    lm: the tuned model.
    tools: the world, its levels, and which actions are right.
    number: of the round; every round plays other episodes.
    progress: called with (episodes ended, episodes).
    rationale: whether the model writes a rationale before the action.

  Returns:
    At most `config.moments` moments, ordered by episode and time.
  """
  world, pool = tools.world, tools.pool
  rng = np.random.default_rng([played.seed, number])
  variants = list(played.variants)
  if len(variants) > config.episodes:
    drawn = rng.permutation(len(variants))[: config.episodes]
    variants = [variants[i] for i in sorted(drawn.tolist())]
  share = math.ceil(config.episodes / len(variants))
  moments: list[Experience] = []
  logprobs: list[np.ndarray] = []
  acting = writers.RationalePolicy if rationale else policies.LanguagePolicy
  for v, variant in enumerate(variants):

    def report(ended: int, of: int, before: int = v * share) -> None:
      del of
      if progress is not None:
        progress(before + ended, share * len(variants))

    levels = np.resize(rng.permutation(len(pool)), share).tolist()
    seeds = rng.integers(2**31, size=share).tolist()
    text_world = TextWorld(world, world.params(variant), pool)
    model = policies.RecordedPolicy(
      acting(lm, text_world.preamble, world.actions)
    )
    episodes = loop.play(
      policies.SampledPolicy(model, config.temperature, rng),
      text_world,
      levels,
      seeds=seeds,
      untried=False,
      optimal=False,
      max_steps=played.steps,
      progress=report,
    )
    for row, episode in enumerate(episodes):
      start = opening(world, variant, pool, levels[row], seeds[row], "policy")
      moments += history(
        start,
        episode.texts,
        episode.instructions,
        tools.action_indices(episode.actions),
        episode.success,
      )
      logprobs += model.logprobs[row]
  nats = surprise.of_right_actions(tools, moments, logprobs)
  return surprise.choose(moments, nats, config.moments, rng)
