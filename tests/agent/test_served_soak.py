"""Many faults and kills: nothing is lost, doubled or paid twice."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections import deque

import pytest
from fault_server import KINDS, FaultServer, answer_to

from glimo_jax.agent.llm import Request
from glimo_jax.agent.served import ServedError, ServedLM, TeacherConfig
from glimo_jax.data.journal import Journal, JournaledLM

ROOT = pathlib.Path(__file__).parents[2]
SLOTS = 8
KILLS = int(os.environ.get("GLIMO_KILLS", "2"))  # of one annotation


def ask(text):
  return Request(({"role": "user", "content": text},))


def teacher(server, **fields):
  settings = {"concurrency": 32, "retries": 30, "backoff": 0.001} | fields
  return ServedLM(TeacherConfig(base_url=server.url, model="m", **settings))


def test_books_balance_under_forty_percent_of_faults(tmp_path):
  count = 2000
  requests = [ask(f"question {i}") for i in range(count)]
  with FaultServer(share=0.4) as server, Journal(tmp_path / "j") as journal:
    lm = teacher(server, timeout=2.0)
    journaled = JournaledLM(lm, journal, "1")
    texts = [c.text for c in journaled.generate(requests)]
    assert texts == [answer_to(f"question {i}") for i in range(count)]
    # Each request was answered once, and never asked again after its answer.
    assert set(server.answered.values()) == {1}
    assert sum(server.answered.values()) == count
    assert sum(server.tries.values()) == count + lm.totals["retries"]
    failed = sum(server.faults.values())
    assert failed == lm.totals["retries"] > 0.3 * sum(server.tries.values())
    assert set(server.faults) == set(KINDS)
    assert lm.totals["completion_tokens"] == 3 * count
    assert server.most_in_flight <= 2 * 32  # it sees late who gave up
    assert len(journal) == count
    # A second run asks nothing.
    again = JournaledLM(lm, journal, "1")
    assert [c.text for c in again.generate(requests)] == texts
    assert (again.asked, again.replayed) == (0, count)
    assert sum(server.tries.values()) == count + lm.totals["retries"]
    lm.close()


def test_one_connection_serves_all_requests_of_a_slot():
  with FaultServer(delay=0.001) as server:
    lm = teacher(server, concurrency=4)
    for _ in range(3):
      lm.generate([ask(str(i)) for i in range(100)])
    assert server.connections == server.most_in_flight == 4
    lm.close()


def test_server_that_dies_midway_stops_the_run_and_a_restart_goes_on(tmp_path):
  requests = [ask(f"question {i}") for i in range(200)]
  with Journal(tmp_path / "j") as journal:
    with FaultServer() as server:
      lm = teacher(server, concurrency=8, retries=1)
      answers = JournaledLM(lm, journal, "1").stream(deque(requests))
      while len(journal) < 50:
        next(answers)
      server.stop()
      with pytest.raises(ServedError, match="no usable answer to 20 requests"):
        list(answers)
    kept = len(journal)
    assert 50 <= kept < 200
    with FaultServer() as server:
      journaled = JournaledLM(teacher(server), journal, "1")
      assert len(journaled.generate(requests)) == 200
      assert sum(server.tries.values()) == 200 - kept


_DRIVER = """
import json, sys
from glimo_jax.agent.llm import Request
from glimo_jax.agent.served import ServedLM, TeacherConfig
from glimo_jax.data.journal import Journal, JournaledLM

url, folder, count, slots = sys.argv[1:]
lm = ServedLM(TeacherConfig(
  base_url=url, model="m", concurrency=int(slots), retries=30, backoff=0.001))
requests = [
  Request(({"role": "user", "content": f"question {i}"},))
  for i in range(int(count))
]
with Journal(f"{folder}/j") as journal:
  completions = JournaledLM(lm, journal, "1").generate(requests)
with open(f"{folder}/out.json", "w") as out:
  json.dump([c.text for c in completions], out)
"""


def test_kills_give_the_same_bytes_and_ask_nothing_twice(tmp_path):
  kinds = ("500", "", "", "drop", "", "html")
  turns = iter(range(10**9))
  count, apart = 600, 600 // (KILLS + 1)
  with FaultServer(
    delay=0.02, script=lambda body: kinds[next(turns) % len(kinds)]
  ) as server:
    command = [
      sys.executable, "-c", _DRIVER, server.url, str(tmp_path), str(count),
      str(SLOTS),
    ]  # fmt: skip
    journal = tmp_path / "j"
    for kill in range(1, KILLS + 1):
      running = subprocess.Popen(command, cwd=ROOT)
      while not journal.exists() or len(_lines(journal)) < apart * kill:
        assert running.poll() is None
        time.sleep(0.01)
      running.send_signal(signal.SIGKILL)
      running.wait()
      asked, kept = set(server.answered), len(_lines(journal))
      # What was answered but not kept was in flight.
      assert len(asked) - kept <= 2 * SLOTS * kill
    subprocess.run(command, cwd=ROOT, check=True)
  texts = json.loads((tmp_path / "out.json").read_text())
  assert texts == [answer_to(f"question {i}") for i in range(count)]
  assert sum(server.answered.values()) <= count + 2 * SLOTS * KILLS
  keys = [json.loads(line)["key"] for line in _lines(journal)]
  assert len(keys) == len(set(keys)) == count


def _lines(path):
  return [line for line in path.read_bytes().split(b"\n")[:-1] if line]
