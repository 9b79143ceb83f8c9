"""The journal survives a kill and distinguishes samples."""

import dataclasses
import errno
import json
import resource
from collections import deque

import pytest

from glimo_jax.agent.llm import Completion, Request, ScriptedLM
from glimo_jax.data.journal import Journal, JournaledLM, key


def request(text, **fields):
  return Request(({"role": "user", "content": text},), **fields)


def test_every_field_of_a_request_changes_its_key():
  base = request("a")
  other = {
    "messages": ({"role": "user", "content": "b"},),
    "choices": ("x",),
    "max_tokens": 17,
    "temperature": 0.5,
    "top_p": 0.5,
    "stop": ("\n",),
    "seed": 1,
    "schema": {"type": "object"},
  }
  assert set(other) == {f.name for f in dataclasses.fields(Request)}
  keys = {key(base, "m", "1", 0), key(base, "n", "1", 0)}
  keys |= {key(base, "m", "2", 0), key(base, "m", "1", 1)}
  keys |= {
    key(dataclasses.replace(base, **{f: v}), "m", "1", 0)
    for f, v in other.items()
  }
  assert len(keys) == 4 + len(other)


def test_second_run_asks_nothing_and_returns_the_same(tmp_path):
  requests = [request(f"q{i}") for i in range(10)]
  with Journal(tmp_path / "j.jsonl") as journal:
    lm = JournaledLM(
      ScriptedLM(lambda r: r.messages[0]["content"]), journal, "1"
    )
    first = lm.generate(requests)
  size = (tmp_path / "j.jsonl").stat().st_size
  with Journal(tmp_path / "j.jsonl") as journal:
    silent = ScriptedLM({})
    again = JournaledLM(silent, journal, "1")
    assert again.generate(requests) == first
    assert (again.asked, again.replayed) == (0, 10)
    assert silent.requests == []
  assert (tmp_path / "j.jsonl").stat().st_size == size


def test_same_request_asked_again_is_another_sample(tmp_path):
  count = iter(range(100))
  inner = ScriptedLM(lambda r: f"answer {next(count)}")
  with Journal(tmp_path / "j.jsonl") as journal:
    lm = JournaledLM(inner, journal, "1")
    texts = [lm.generate([request("q")])[0].text for _ in range(3)]
  assert texts == ["answer 0", "answer 1", "answer 2"]
  with Journal(tmp_path / "j.jsonl") as journal:
    lm = JournaledLM(ScriptedLM({}), journal, "1")
    again = [c.text for c in lm.generate([request("q")] * 3)]
  assert again == texts


def test_kill_loses_one_slice_at_most(tmp_path):
  asked = []

  def dies(r):
    asked.append(r)
    if len(asked) == 11:
      raise KeyboardInterrupt
    return r.messages[0]["content"]

  requests = [request(f"q{i}") for i in range(20)]
  journal = Journal(tmp_path / "j.jsonl")
  lm = JournaledLM(ScriptedLM(dies), journal, "1", slice_size=4)
  with pytest.raises(KeyboardInterrupt):
    lm.generate(requests)
  # Not closed, like the journal of a killed process.
  after = Journal(tmp_path / "j.jsonl")
  assert len(after) == 8
  rest = JournaledLM(ScriptedLM(lambda r: r.messages[0]["content"]), after, "1")
  texts = [c.text for c in rest.generate(requests)]
  assert texts == [f"q{i}" for i in range(20)]
  assert (rest.asked, rest.replayed) == (12, 8)
  journal.close()
  after.close()


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_torn_last_line_is_removed_and_rewritten(tmp_path, cut):
  path = tmp_path / "j.jsonl"
  with Journal(path) as journal:
    for i in range(3):
      journal.put(f"k{i}", {"value": i})
  whole = path.read_bytes()
  path.write_bytes(whole[:-cut])
  with Journal(path) as journal:
    assert len(journal) == 3 - -(-cut // len(whole.splitlines()[-1] + b"\n"))
    for i in range(3):
      journal.put(f"k{i}", {"value": i})
  assert path.read_bytes() == whole


def test_damaged_line_before_the_last_is_an_error(tmp_path):
  path = tmp_path / "j.jsonl"
  path.write_text('{"key": "a"}\ngarbage\n{"key": "b"}\n')
  with pytest.raises(ValueError, match="line 2"):
    Journal(path)


def test_another_record_for_a_known_key_is_an_error(tmp_path):
  with Journal(tmp_path / "j.jsonl") as journal:
    journal.put("k", {"value": 1})
    journal.put("k", {"value": 1})
    with pytest.raises(ValueError, match="another record"):
      journal.put("k", {"value": 2})
  lines = (tmp_path / "j.jsonl").read_text().splitlines()
  assert [json.loads(x) for x in lines] == [{"key": "k", "value": 1}]


@pytest.mark.parametrize(
  ("text", "error_class", "kept"),
  [
    ("", "retry", False),
    ("", "reject", False),
    ("", "resample", False),  # nothing was answered
    ("nonsense", "resample", True),
    ("up", None, True),
    ("", None, True),  # a model of our own that wrote nothing
  ],
)
def test_only_answers_are_recorded(tmp_path, text, error_class, kept):
  error = error_class and "x"
  answer = Completion(
    text, "stop", 0, 0, "m", error=error, error_class=error_class
  )
  with Journal(tmp_path / "j.jsonl") as journal:
    lm = JournaledLM(ScriptedLM(lambda r: answer), journal, "1")
    assert lm.generate([request("q")]) == [answer]
    assert len(journal) == kept


def test_answers_received_before_a_stop_are_kept(tmp_path):
  class Stops:
    name = "m"

    def generate(self, requests):
      raise NotImplementedError

    def stream(self, requests):
      requests.popleft()
      yield [(0, Completion("a", "stop", 1, 1, "m"))]
      raise RuntimeError("budget")

  with Journal(tmp_path / "j.jsonl") as journal:
    with pytest.raises(RuntimeError, match="budget"):
      JournaledLM(Stops(), journal, "1").generate([request("a"), request("b")])
    assert len(journal) == 1


def test_remaining_requests_use_the_slices_of_an_uninterrupted_run(tmp_path):
  requests = [request(f"q{i}") for i in range(10)]
  slices = []

  class Batched:
    name = "m"
    patience = 99

    def generate(self, batch):
      if len(slices) == self.patience:
        raise KeyboardInterrupt
      slices.append([r.messages[0]["content"] for r in batch])
      return [Completion("a", "stop", 1, 1, "m") for _ in batch]

  def run(path, patience):
    slices.clear()
    lm = Batched()
    lm.patience = patience
    with Journal(path) as journal:
      JournaledLM(lm, journal, "1", slice_size=4).generate(requests)
    return list(slices)

  whole = run(tmp_path / "a.jsonl", 99)
  with pytest.raises(KeyboardInterrupt):
    run(tmp_path / "b.jsonl", 2)
  assert run(tmp_path / "b.jsonl", 99) == whole[2:]
  assert (tmp_path / "a.jsonl").read_bytes() == (
    tmp_path / "b.jsonl"
  ).read_bytes()


class FullDisk:
  """A file on a disk with room for `room` more bytes."""

  def __init__(self, file, room):
    self.file, self.room = file, room

  def __getattr__(self, name):
    return getattr(self.file, name)

  def write(self, data):
    if not self.room:
      raise OSError(errno.ENOSPC, "No space left on device")
    written = self.file.write(data[: min(self.room, 7)])  # a part only
    self.room -= written
    return written


@pytest.mark.parametrize("room", [0, 1, 60, 200])
def test_full_disk_leaves_no_torn_line_and_a_rerun_goes_on(tmp_path, room):
  path = tmp_path / "j.jsonl"
  with Journal(path) as journal:
    journal.put("first", {"value": 0})
  before = path.read_bytes()
  journal = Journal(path)
  journal._file = FullDisk(journal._file, room)
  for i in range(5):
    journal.put(f"k{i}", {"value": "x" * 50})
  with pytest.raises(OSError, match=r"j.jsonl cannot be written .*make room"):
    journal.write()
  assert path.read_bytes() == before
  journal._file.room = 10_000  # somebody has made room
  journal.close()
  with Journal(path) as again:
    assert len(again) == 6
    assert again.get("k4") == {"value": "x" * 50}


def test_full_disk_ends_an_annotation_with_its_own_error(tmp_path):
  journal = Journal(tmp_path / "j.jsonl")
  journal._file = FullDisk(journal._file, 0)
  lm = JournaledLM(ScriptedLM(lambda r: "up"), journal, "1")
  with pytest.raises(OSError, match="make room"), journal:
    lm.generate([request("q")])


def test_file_size_limit_is_an_error_and_not_a_kill(tmp_path):
  """As `ulimit -f` does."""
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  path = tmp_path / "j.jsonl"
  journal = Journal(path)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
  try:
    for i in range(20):
      journal.put(f"k{i}", {"value": "x" * 100})
    with pytest.raises(OSError, match="cannot be written"):
      journal.write()
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  assert path.read_bytes() == b""
  journal.close()
  assert len(path.read_bytes().splitlines()) == 20


def test_records_are_read_from_the_file_and_not_held(tmp_path):
  value = "x" * 20_000  # longer than any buffer
  with Journal(tmp_path / "j.jsonl") as journal:
    for i in range(100):
      journal.put(f"k{i}", {"value": f"{i} {value}"})
      assert journal.get(f"k{i}") == {"value": f"{i} {value}"}
      journal.write()
    assert journal._pending == {}
    for i in (0, 57, 99):
      assert journal.get(f"k{i}") == {"value": f"{i} {value}"}
  assert journal.get("other") is None


def test_answers_of_the_journal_come_first_and_others_are_asked(tmp_path):
  """Requests that are added meanwhile are answered, too."""
  lm = ScriptedLM(lambda r: r.messages[0]["content"].upper())
  with Journal(tmp_path / "j.jsonl") as journal:
    JournaledLM(lm, journal, "1").generate([request(c) for c in "bd"])
    lm.requests.clear()
    waiting = deque(request(c) for c in "abcd")
    journaled, found = JournaledLM(lm, journal, "1"), []
    for batch in journaled.stream(waiting):
      found += batch
      if len(found) == 4:
        waiting += [request("e"), request("b")]
  assert [i for i, _ in found] == [1, 3, 0, 2, 4, 5]
  assert [c.text for _, c in sorted(found)] == list("ABCDEB")
  asked = [r.messages[0]["content"] for r in lm.requests]
  assert asked == ["a", "c", "e", "b"]  # the second b is another sample
  assert (journaled.asked, journaled.replayed) == (4, 2)


def test_lone_surrogates_in_a_prompt_have_a_key():
  assert key(request("a\ud800"), "m", "1", 0) != key(request("a?"), "m", "1", 0)
