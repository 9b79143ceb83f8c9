"""Several processes ask a teacher: no answer is lost, none is paid twice."""

import collections
import itertools
from collections import deque

import pytest
import thread_shares

from glimo_jax import mesh
from glimo_jax.agent import llm
from glimo_jax.agent.llm import Completion, Request, ScriptedLM, TeacherError
from glimo_jax.data import shared_journal
from glimo_jax.data.journal import Journal


class Teacher:
  """A server: it streams, counts what it is asked, and may break down.

  Args:
    last: answers that it gives in all.
  """

  name = "teacher"

  def __init__(self, last=10**6):
    self.asked = collections.Counter()
    self._left = last

  def stream(self, requests):
    number = itertools.count()
    while requests:
      request = requests.popleft()
      if not self._left:
        raise TeacherError("the server is gone")
      self._left -= 1
      text = request.messages[-1]["content"]
      self.asked[text, request.seed] += 1
      sample = self.asked[text, request.seed]
      answer = Completion(
        f"{text} {request.seed} {sample}", "stop", 7, 2, self.name, (-1 / 3,)
      )
      yield [(next(number), answer)]


def request(text, seed=0):
  return Request(({"role": "user", "content": text},), seed=seed)


# Equal requests are several samples of one.
REQUESTS = [request(f"q{i % 17}", i // 34) for i in range(60)]


def ask(folder, teachers, requests=REQUESTS):
  """All answers, as each of the processes with these teachers gets them."""

  def work(shares):
    own = teachers[shares.index]
    with shared_journal.kept(own, "1", folder, shares) as lm:
      out = dict(itertools.chain(*llm.stream(lm, deque(requests))))
    return [out[i] for i in range(len(requests))]

  if len(teachers) == 1:
    return [work(mesh.Shares())]
  return thread_shares.run(len(teachers), work)


def records(folder):
  with Journal(folder / "journal.jsonl") as journal:
    return dict(journal.records())


def asked(teachers):
  return sum((t.asked for t in teachers), collections.Counter())


@pytest.mark.parametrize("processes", [2, 3, 90])
def test_processes_get_the_answers_of_one_and_leave_its_journal(
  processes, tmp_path
):
  alone = [Teacher()]
  (expected,) = ask(tmp_path / "alone", alone)
  teachers = [Teacher() for _ in range(processes)]
  (tmp_path / "shared").mkdir()
  for answers in ask(tmp_path / "shared", teachers):
    assert answers == expected
  assert asked(teachers) == asked(alone)
  assert sum(bool(t.asked) for t in teachers) > 1
  assert records(tmp_path / "shared") == records(tmp_path / "alone")
  assert [f.name for f in (tmp_path / "shared").iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize("then", [1, 2, 4])
def test_restart_with_any_number_of_processes_pays_for_no_answer_again(
  then, tmp_path
):
  (expected,) = ask(tmp_path / "alone", [Teacher()])
  folder = tmp_path / "shared"
  folder.mkdir()
  before = [Teacher(), Teacher(last=5), Teacher()]
  with pytest.raises(TeacherError):
    ask(folder, before)
  assert len([*folder.glob("journal-*.jsonl")]) == 3
  after = [Teacher() for _ in range(then)]
  found = ask(folder, after)
  assert {len(answers) for answers in found} == {len(REQUESTS)}
  assert (asked(before) + asked(after)).total() == len(REQUESTS)
  assert asked(after).total() < len(REQUESTS)
  assert records(folder).keys() == records(tmp_path / "alone").keys()
  texts = [c.text.rsplit(" ", 1)[0] for c in expected]
  assert [c.text.rsplit(" ", 1)[0] for c in found[0]] == texts
  silent = [Teacher(last=0) for _ in range(5)]
  for answers in ask(folder, silent):
    assert answers == found[0]


def test_kill_while_journals_are_merged_loses_nothing(tmp_path):
  for i, keys in enumerate(("ab", "bcd")):
    with Journal(tmp_path / f"journal-{i}.jsonl") as part:
      for name in keys:
        part.put(name, {"completion": name})
  with Journal(tmp_path / "journal.jsonl") as whole:  # killed after the first
    whole.put("a", {"completion": "a"})
  with (tmp_path / "journal-1.jsonl").open("ab") as part:
    part.write(b'{"key": "e", "comp')
  shared_journal.merge(tmp_path)
  assert records(tmp_path) == {n: {"completion": n} for n in "abcd"}
  assert [f.name for f in tmp_path.iterdir()] == ["journal.jsonl"]


def test_model_in_this_program_is_asked_alike_by_all(tmp_path):
  """Its sampler divides the batches; each process knows all answers."""

  def work(shares):
    lm = ScriptedLM(lambda r: r.messages[-1]["content"])
    with shared_journal.kept(lm, "1", tmp_path, shares) as kept:
      return [c.text for c in kept.generate(REQUESTS)], len(lm.requests)

  expected = [r.messages[-1]["content"] for r in REQUESTS]
  assert thread_shares.run(2, work) == [(expected, len(REQUESTS))] * 2
  assert thread_shares.run(3, work) == [(expected, 0)] * 3
