"""The exam: true, balanced, answerable from the text, reproducible."""

import collections
import re

import pytest

import simulators
from glimo_jax.evaluate import exam
from simulators.agentworld.vocabulary import REAL_ELEMENTS


@pytest.fixture(scope="module")
def world():
  return simulators.make("agentworld", size=5)


@pytest.fixture(scope="module")
def pool(world):
  return world.pool("test", 24, depths=(0, 1))


@pytest.fixture(scope="module")
def items(world, pool):
  return exam.make(world, world.params("real"), pool, per_kind=6, seed=0)


def test_every_kind_is_asked_with_the_truth_among_the_choices(world, items):
  kinds = collections.Counter(item.question.kind for item in items)
  assert list(kinds) == list(world.question_kinds)
  assert set(kinds.values()) == {6}
  for item in items:
    choices = item.question.choices
    assert item.question.answer in choices
    assert len(set(choices)) == len(choices) >= 2


def test_answering_without_reading_is_near_chance(items):
  """Truths are balanced: no answer is common."""
  by_kind = collections.defaultdict(collections.Counter)
  for item in items:
    by_kind[item.question.kind][item.question.answer] += 1
  for kind, truths in by_kind.items():
    assert max(truths.values()) <= 4, (kind, truths)


def test_prompts_are_unique_and_cover_many_levels(items, pool):
  prompts = [(i.description, i.question.text) for i in items]
  assert len(set(prompts)) == len(prompts)
  levels = {item.level for item in items}
  assert levels <= set(range(len(pool)))
  assert len(levels) >= 12


def test_descriptions_come_from_the_world(world, items):
  for item in items:
    assert world.parse_description(item.description)


def test_exam_depends_on_the_seed_only(world, pool, items):
  params = world.params("real")
  assert exam.make(world, params, pool, per_kind=6, seed=0) == items
  assert exam.make(world, params, pool, per_kind=6, seed=1) != items


@pytest.mark.parametrize("part", [1, 5])
def test_exam_does_not_depend_on_the_batch_size(
  world, pool, items, monkeypatch, part
):
  monkeypatch.setattr(exam, "_PART", part)
  assert exam.make(world, world.params("real"), pool, 6, seed=0) == items


def test_exam_follows_the_given_rules(world, pool):
  swapped = world.params("imperfect/swapped(1)")
  other = exam.make(world, swapped, pool, per_kind=4, seed=0)
  text = " ".join(i.description + " " + i.question.text for i in other)
  assert not set(REAL_ELEMENTS) & set(re.findall(r"\w+", text))


def test_questions_of_a_kind_do_not_depend_on_other_kinds(pool, world):
  ten = world.question_kinds[:10]
  alone = simulators.make("agentworld", size=5, kinds=ten)
  params = world.params("real")
  items = exam.make(world, params, pool, per_kind=3, seed=0, kinds=ten)
  assert items == exam.make(alone, params, pool, per_kind=3, seed=0)


@pytest.mark.parametrize("per_kind", [0, -1])
def test_empty_exam_is_refused(world, pool, per_kind):
  with pytest.raises(ValueError, match="per_kind"):
    exam.make(world, world.params("real"), pool, per_kind)
