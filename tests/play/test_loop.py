"""Closed-loop play: lock step, the untried-action rule, failures."""

import dataclasses

import numpy as np
import pytest

import simulators
from glimo_jax.evaluate import episodes, stats
from glimo_jax.play import loop, policies
from simulators.text_world import TextWorld

ACTIONS = ("up", "down", "left", "right")


class FakeTextWorld:
  """A corridor: level i starts i + 1 cells left of the goal, within walls."""

  actions = ACTIONS
  preamble = "reach the goal."

  def __init__(self, horizon=20):
    self.horizon = horizon
    self.levels = "corridor"

  def reset(self, indices, seed=0):
    self.distance = np.array([i + 1 for i in indices])
    self.instruction = ["reach the goal."] * len(indices)
    self.depths = np.array([i % 2 for i in indices])
    self.time, self.stepped = 0, []
    self.success = np.zeros(len(indices), bool)
    self.done = np.zeros(len(indices), bool)
    return self._texts()

  def step(self, actions):
    self.stepped.append(np.array(actions))
    move = np.select([actions == 3, actions == 2], [-1, 1], 0)
    self.distance = np.where(self.done, self.distance, self.distance + move)
    self.time += 1
    arrived = self.distance == 0
    self.success |= arrived
    self.done |= arrived | (self.time >= self.horizon)
    return self._texts(), arrived.astype(np.float32), self.done.copy()

  def oracle(self):
    cost = np.repeat(self.distance[:, None] + 1.0, 4, 1)
    cost[:, 3] = self.distance
    return np.where(self.distance[:, None] > 90, np.inf, cost)

  def _texts(self):
    return [f"goal {d} right." for d in self.distance]


class FakePolicy:
  """Scores texts by a function; stores the texts."""

  def __init__(self, scores):
    self.table, self.asked = scores, []

  def scores(self, texts, rows):
    self.asked.append((tuple(texts), tuple(rows)))
    return np.array([self.table(text) for text in texts], np.float64)


def right(text):
  return [0, 0, 0, 1]


def up(text):
  return [3, 2, 1, 0]


def test_oracle_plays_optimally_and_random_does_not():
  world = FakeTextWorld()
  levels = [0, 3, 6, 9]
  best = loop.play(policies.OraclePolicy(world), world, levels, max_steps=20)
  assert [e.steps for e in best] == [e.optimal_steps for e in best]
  assert [e.steps for e in best] == [1, 4, 7, 10]
  assert all(e.success and e.ended == "success" for e in best)
  chance = loop.play(policies.RandomPolicy(4), world, levels, max_steps=20)
  assert sum(e.steps for e in chance) > sum(e.steps for e in best)


def test_only_live_episodes_are_scored_in_lock_step():
  world, policy = FakeTextWorld(), FakePolicy(right)
  loop.play(policy, world, [2, 0, 1], max_steps=20)
  assert [rows for _, rows in policy.asked] == [(0, 1, 2), (0, 2), (0,)]
  assert policy.asked[1][0] == ("goal 2 right.", "goal 1 right.")
  assert len(world.stepped) == 3


def test_episode_is_the_same_alone_and_in_a_batch():
  policy = FakePolicy(lambda text: [0, 0, 0, 0])  # every choice a tie
  together = loop.play(policy, FakeTextWorld(), [4, 1, 2], max_steps=15)
  alone = [
    loop.play(policy, FakeTextWorld(), [i], max_steps=15)[0] for i in (4, 1, 2)
  ]
  assert together == alone
  other = loop.play(policy, FakeTextWorld(), [4, 1, 2], seed=1, max_steps=15)
  assert other != together


def test_untried_rule_breaks_a_loop_of_a_greedy_run():
  greedy = loop.play(
    FakePolicy(up), FakeTextWorld(), [0], untried=False, max_steps=9
  )[0]
  assert (greedy.success, greedy.ended, greedy.steps) == (False, "truncated", 9)
  assert set(greedy.actions) == {"up"}
  ruled = loop.play(FakePolicy(up), FakeTextWorld(), [0], max_steps=9)[0]
  # Up and down lead nowhere; left leads to a text with all actions untried.
  assert ruled.actions[:3] == ("up", "down", "left")
  pairs = list(zip(ruled.texts, ruled.actions, strict=False))
  assert len(pairs) == len(set(pairs)) == ruled.steps


def test_no_untried_action_ends_only_a_deterministic_episode():
  class FakeBox(FakeTextWorld):
    def step(self, actions):
      return super().step(np.zeros_like(actions))  # nothing ever moves

  end = loop.play(FakePolicy(up), FakeBox(), [0], max_steps=9)[0]
  assert (end.ended, end.success) == ("exhausted", False)
  assert end.actions == ACTIONS
  noisy = loop.play(
    FakePolicy(up), FakeBox(), [0], max_steps=9, deterministic=False
  )[0]
  assert noisy.ended == "truncated"
  assert noisy.actions == (ACTIONS * 3)[:9]


def test_world_truncates_and_texts_lead_from_action_to_action():
  world = FakeTextWorld(horizon=3)
  episode = loop.play(FakePolicy(right), world, [7], max_steps=20)[0]
  assert (episode.ended, episode.success) == ("truncated", False)
  assert episode.texts == tuple(f"goal {d} right." for d in (8, 7, 6, 5))
  assert episode.optimal_steps == 8


def test_level_without_a_solution_is_reported():
  episode = loop.play(FakePolicy(right), FakeTextWorld(), [95], max_steps=2)[0]
  assert episode.optimal_steps == -1


def test_failed_policy_fails_its_episode_and_no_other():
  def scores(text):
    return [np.nan] * 4 if "4" in text else right(text)

  world = FakeTextWorld()
  policy = FakePolicy(scores)
  lost, won = loop.play(policy, world, [5, 2], max_steps=20)
  assert (lost.ended, lost.success, lost.steps) == ("error", False, 2)
  assert (won.ended, won.steps) == ("success", 3)
  assert episodes.summary([[lost, won]])["mean"] == 0.5


def test_success_after_the_end_does_not_count():
  # The row is stepped on with the others, here into the goal.
  class FakeSlide(FakeTextWorld):
    def step(self, actions):
      return super().step(np.full_like(actions, 3))

  def scores(text):
    return [np.nan] * 4 if text == "goal 1 right." else right(text)

  world = FakeSlide()
  lost, _ = loop.play(FakePolicy(scores), world, [1, 8], max_steps=20)
  assert world.success[0]
  assert (lost.ended, lost.success) == ("error", False)


@pytest.mark.parametrize(
  ("scores", "steps", "message"),
  [([1, 2], 3, r"\[B, A\]"), ([1, 2, 3, 4], 0, "max_steps 0")],
)
def test_play_refuses_bad_input(scores, steps, message):
  with pytest.raises(ValueError, match=message):
    loop.play(
      FakePolicy(lambda t: scores), FakeTextWorld(), [0], max_steps=steps
    )


def test_summary_counts_by_depth_and_resamples_several_runs():
  world = FakeTextWorld()
  run = loop.play(FakePolicy(right), world, [0, 1, 2, 3], max_steps=3)
  summary = episodes.summary([run])
  expect = stats.wilson(3, 4)
  assert (summary["lo"], summary["hi"]) == (expect.lo, expect.hi)
  assert summary["by_depth"]["1"]["mean"] == 0.5
  assert summary["by_depth"]["0"]["mean"] == 1.0
  assert summary["ended"]["truncated"] == 1
  assert summary["steps_over_optimal"] == 1.0
  lost = [dataclasses.replace(e, success=False) for e in run]
  assert episodes.summary([run, lost])["mean"] == 0.375
  with pytest.raises(ValueError, match="not paired"):
    episodes.summary([run, run[::-1]])


class FakePit(FakeTextWorld):
  """A pit lies five cells left of the goal."""

  failed = property(lambda self: self.distance == 5)

  def step(self, actions):
    texts, rewards, done = super().step(actions)
    self.done |= self.failed
    return texts, rewards, done | self.failed


def test_failure_is_distinguished_from_the_time_limit():
  left = FakePolicy(lambda text: [0.0, 0.0, 1.0, 0.0])
  played = loop.play(left, FakePit(), [2, 8], max_steps=4)
  assert [e.ended for e in played] == ["failed", "truncated"]
  assert episodes.summary([played])["ended"]["failed"] == 1


class FakeMeter(FakeTextWorld):
  """Measures the steps played and whether the agent is at the third cell."""

  @property
  def measures(self):
    there = np.full(len(self.distance), float(self.time))
    return {"time": there, "third": (self.distance == 3).astype(float)}


def test_world_measures_are_read_at_the_end_of_each_episode():
  world = FakeMeter()
  played = loop.play(FakePolicy(right), world, [4, 0, 6], max_steps=4)
  assert [e.measures["time"] for e in played] == [4.0, 1.0, 4.0]
  assert [e.measures["third"] for e in played] == [0.0, 0.0, 1.0]
  lost = loop.play(FakePolicy(lambda t: [np.nan] * 4), world, [2, 3],
                     max_steps=4)  # fmt: skip
  assert [e.measures["third"] for e in lost] == [1.0, 0.0]
  assert all(e.measures["time"] == 0 for e in lost)


def test_each_measure_is_summarised_with_its_interval():
  world = FakeMeter()
  run = loop.play(FakePolicy(right), world, [4, 0, 6], max_steps=4)
  measures = episodes.summary([run])["measures"]
  assert measures["third"] == stats.wilson(1, 3).as_dict()
  assert measures["time"] == stats.bootstrap([4.0, 1.0, 4.0]).as_dict()
  again = episodes.summary([run, run])["measures"]["third"]
  assert again == stats.bootstrap([[0.0, 0.0, 1.0]] * 2).as_dict()
  plain = loop.play(FakePolicy(right), FakeTextWorld(), [4], max_steps=4)
  assert episodes.summary([plain])["measures"] == {}
  assert episodes.measures([run, [dataclasses.replace(e, measures={})
                                for e in run]]) == {}  # fmt: skip


def test_real_levels_are_solved_by_the_oracle_in_the_fewest_steps():
  # `map` does not tell the last move: a place where all moves were tried shows.
  world = simulators.make("agentworld", size=5, budget=0.0, rendering="map")
  pool = world.pool("test", 24, depths=(0, 1))
  text_world = TextWorld(world, world.params("real"), pool)
  oracle = policies.OraclePolicy(text_world)
  best = loop.play(oracle, text_world, range(24), max_steps=30)
  assert [e.steps for e in best] == [e.optimal_steps for e in best]
  assert episodes.summary([best])["mean"] == 1
  chance = policies.RandomPolicy(4, seed=0)
  walks = [
    loop.play(chance, text_world, range(24), max_steps=30, untried=rule)
    for rule in (True, False)
  ]
  assert episodes.summary(walks)["mean"] < 0.5
  # Only under the rule can an episode run out of untried actions.
  ended = [episodes.summary([walk])["ended"]["exhausted"] for walk in walks]
  assert ended[0] > 0
  assert ended[1] == 0


class FakeGoals(FakeTextWorld):
  """The instruction states the distance to the goal; episodes have seeds."""

  def reset(self, indices, seed=0):
    self.seeds = seed
    return super().reset(indices, seed)

  instruction = property(
    lambda self: [f"{d} to go" for d in self.distance], lambda self, _: None
  )


def test_instructions_are_stored_next_to_the_texts():
  episode = loop.play(FakePolicy(right), FakeGoals(), [2], max_steps=9)[0]
  assert episode.instructions == ("3 to go", "2 to go", "1 to go", "0 to go")
  assert len(episode.texts) == len(episode.instructions)


def test_scores_of_each_choice_are_stored_without_what_was_tried():
  episode = loop.play(FakePolicy(up), FakeTextWorld(), [0], max_steps=9)[0]
  assert len(episode.scores) == episode.steps
  # Up and down change nothing, so the same text is read three times.
  assert episode.scores[:3] == (
    {"up": 3, "down": 2, "left": 1, "right": 0},
    {"down": 2, "left": 1, "right": 0},
    {"left": 1, "right": 0},
  )
  assert dataclasses.replace(episode, scores=()) == episode


def test_each_episode_can_have_a_seed():
  world = FakeGoals()
  loop.play(FakePolicy(right), world, [2, 1], seed=7, max_steps=1)
  assert world.seeds == 7
  loop.play(FakePolicy(right), world, [2, 1], seeds=[5, 6], max_steps=1)
  assert world.seeds == [5, 6]


def test_world_without_oracle_can_be_played():
  class FakeBlind:
    def __init__(self):
      self.seen = FakeTextWorld()

    def __getattr__(self, name):
      if name == "oracle":
        raise AttributeError(name)
      return getattr(self.seen, name)

  seen, *_ = loop.play(FakePolicy(right), FakeTextWorld(), [2], max_steps=9)
  blind, *_ = loop.play(FakePolicy(right), FakeBlind(), [2], max_steps=9)
  assert blind == dataclasses.replace(seen, optimal_steps=-1)
  spared, *_ = loop.play(
    FakePolicy(right), FakeTextWorld(), [2], max_steps=9, optimal=False
  )
  assert spared == blind
