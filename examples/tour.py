"""A tour of the library in five cells. Run all of it or cell by cell.

  python -m examples.tour

On 2 CPU cores it takes two to four minutes. Everything is written to a
temporary folder.
"""

import tempfile
import time

import jax
import numpy as np

import simulators
from configs import quickstart
from glimo_jax import Config, Run, TextWorld, pipeline
from glimo_jax.agent import prompts
from simulators import rollout

# %% 1. Make a world and play 1,024 episodes at once

world = simulators.make("agentworld")
real = world.params("real")  # the rules that models are evaluated under
wrong = world.params("imperfect/swapped(0)")  # other words, for training
pool = world.pool("train", 64)  # generated levels
levels = pool.take(np.arange(1024) % len(pool))
seeds = np.arange(1024)
act = rollout.random_policy(world)


def play(key):
  """1,024 episodes of at most 30 steps; the first call compiles."""
  episodes = rollout.rollout(world, wrong, levels, seeds, act, key, steps=30)
  return jax.block_until_ready(episodes)


play(jax.random.key(0))
start = time.perf_counter()
episodes = play(jax.random.key(1))
steps = int(episodes.lengths.sum())
print(f"{steps / (time.perf_counter() - start):,.0f} steps a second")
print(
  f"random actions solve {float(episodes.success.mean()):.3f} of the levels"
)

# %% 2. Ask questions about a moment, and verify an answer twice

text_world = TextWorld(world, real, world.pool("val", 1))
(text,) = text_world.reset([0])
state = text_world.state  # leaves [1, ...]
arrays = jax.vmap(world.sample_questions, (0, 0, None))(
  jax.random.split(jax.random.key(0), 1), state, real
)
(questions,) = world.ask(jax.device_get(arrays), text_world.obs, seed=0)
print(text_world.preamble, text, sep="\n")
for question in questions[:3]:
  print(f"{question.kind}: {question.text} {question.choices}")

question = questions[0]
one = jax.tree.map(lambda leaf: leaf[0], state)
kind = world.question_kinds.index(question.kind)
args = np.array(question.args, np.int32)
by_simulator = int(world.answer(one, real, kind, args))
game = world.reference.Game.from_state(
  jax.device_get(one.env_state), jax.device_get(real), world.config
)
by_reference = world.reference.answer(game, question.kind, question.args)
print(f"{question.kind} -> {question.answer}")
assert by_simulator == by_reference, "the two paths must agree"

# %% 3. Describe a moment and score its actions with the language model

values = quickstart.get_config("tiny")
values.train.acting_steps = 10
values.train.understanding_steps = 0
config = Config.from_dict(values.to_dict())
run = Run(config, tempfile.mkdtemp(prefix="tour-"))

prompt = prompts.acting(text_world.preamble, text)
(logprobs,) = run.sampler.score([prompt], [world.actions])
costs = text_world.oracle()[0]
for action, logprob, cost in zip(world.actions, logprobs, costs, strict=True):
  print(f"{action:6} log p {logprob:6.2f}   steps to the goal {cost:.0f}")

# %% 4. Collect experience and let the agent write a small verified dataset

pipeline.collect(run)
pipeline.annotate(run)
dataset = run.dataset()
row = dataset.train[0]
print(f"{len(dataset.train)} rows; one of them, {row.kind}, is {row.verdict}:")
print(row.messages[-1]["content"], "->", row.answers)

# %% 5. Train ten steps

pipeline.train(run)
print(f"adapter: {run.workdir}/train/adapter")
