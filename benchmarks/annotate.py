"""The teacher's client against a server that answers in 50 ms.

  python -m benchmarks.annotate [--slots 16 64 256] [--requests=100000]
    [--seconds=10] [--json=FILE]

- capacity share: requests a second over slots / 50 ms, what the server could
  answer. The server is a process of its own (`benchmarks.prompt_server`).
- per CPU second: requests for each second of CPU time of the client. Where it
  is below slots / 50 ms, one core is the limit, whatever the client waits for.
- one connection a slot: connections that the server saw, over slots.
- memory: growth of the resident set from the tenth part of the requests on.
- resume: time until a journal of as many rows has answered all requests.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator

from benchmarks import common
from glimo_jax.agent.llm import Completion, Request
from glimo_jax.agent.served import ServedLM, TeacherConfig
from glimo_jax.data.journal import Journal, JournaledLM

DELAY = 0.05  # s
_FED = 4096  # requests made ahead
_RULES = "A key opens a door. " * 30
_TEXT = "wall up; door two left; key one right. " * 10
_CHOICES = ("up", "down", "left", "right")


def request(number: int) -> Request:
  """A prompt of about 250 tokens with four choices."""
  turns = (
    {"role": "system", "content": _RULES},
    {"role": "user", "content": f"{_TEXT} {number}"},
  )
  return Request(turns, choices=_CHOICES, seed=number)


def ask(lm, count: int) -> Iterator[int]:
  """Asks `count` requests, a few made ahead; yields how many are answered."""
  made = answered = 0
  requests: deque[Request] = deque()

  def feed() -> None:
    nonlocal made
    while made < count and len(requests) < _FED:
      requests.append(request(made))
      made += 1

  feed()
  for answers in lm.stream(requests):
    answered += len(answers)
    assert all(c.error is None for _, c in answers)
    feed()
    yield answered


@contextlib.contextmanager
def served(slots: int) -> Iterator[tuple[ServedLM, str]]:
  """(client, address) of a server with `slots` slots."""
  server = subprocess.Popen(
    [
      sys.executable, "-m", "benchmarks.prompt_server", f"--delay={DELAY}",
      f"--slots={slots}",
    ],
    stdout=subprocess.PIPE,
    text=True,
  )  # fmt: skip
  assert server.stdout is not None
  url = f"http://127.0.0.1:{int(server.stdout.readline())}"
  settings = TeacherConfig(base_url=f"{url}/v1", model="m", concurrency=slots)
  lm = ServedLM(settings)
  try:
    yield lm, url
  finally:
    lm.close()
    server.kill()
    server.wait()


def capacity(
  slots: int, seconds: float
) -> tuple[list[common.Row], dict[str, float]]:
  """How much of a server's capacity the client uses."""
  most = slots / DELAY
  with served(slots) as (lm, url):
    list(ask(lm, slots))  # opens the connections
    start, cpu, answered = time.perf_counter(), time.process_time(), 0
    for answered in ask(lm, int(most * seconds)):  # noqa: B007
      if time.perf_counter() - start > seconds:
        break
    wall = time.perf_counter() - start
    cpu = time.process_time() - cpu
    with urllib.request.urlopen(f"{url}/stats") as stats:
      seen = json.load(stats)
  rows = [
    common.Row("client", slots, answered / wall, "requests"),
    common.Row("client, per CPU second", slots, answered / cpu, "requests"),
  ]
  return rows, {
    f"capacity_share_{slots}": answered / wall / most,
    f"connections_per_slot_{slots}": seen["connections"] / slots,
    f"client_cpu_share_{slots}": cpu / wall,
  }


def memory(slots: int, count: int) -> tuple[list[common.Row], dict[str, float]]:
  """Growth of the resident set while `count` requests are asked."""
  early, start = 0.0, time.perf_counter()
  with served(slots) as (lm, _):
    for answered in ask(lm, count):
      if not early and answered >= count / 10:
        early = _resident()
    late = _resident()
  seconds = time.perf_counter() - start
  rows = [
    common.Row("client, all requests", slots, count / seconds, "requests")
  ]
  return rows, {"rss_growth_mib": (late - early), "rss_mib": late}


def resume(count: int) -> tuple[list[common.Row], dict[str, float]]:
  """Time to read a journal of `count` answers and to be answered from it."""
  answer = Completion("up", "stop", 250, 8, "m")

  class Known:
    name = "m"

    def generate(self, requests):
      return [answer] * len(requests)

  class Silent:
    name = "m"

    def generate(self, requests):
      raise AssertionError(f"{len(requests)} requests are asked again")

  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "journal.jsonl"
    with Journal(path) as journal:
      assert list(ask(JournaledLM(Known(), journal, "1"), count))[-1] == count
    before = _resident()
    start, cpu = time.perf_counter(), time.process_time()
    with Journal(path) as journal:
      assert list(ask(JournaledLM(Silent(), journal, "1"), count))[-1] == count
      late = _resident()
    seconds = time.perf_counter() - start
    cpu = time.process_time() - cpu
  rows = [common.Row("journal, resume", count, count / seconds, "rows")]
  return rows, {
    "resume_s": seconds,
    "resume_cpu_s": cpu,
    "resume_rss_mib": late - before,
  }


def _resident() -> float:
  """Resident set of this process, in MiB."""
  pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
  return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
  flags = common.parser(__doc__)
  flags.add_argument("--slots", type=int, nargs="+", default=[16, 64, 256])
  flags.add_argument("--requests", type=int, default=100_000)
  flags.add_argument("--seconds", type=float, default=10.0)
  given = flags.parse_args()
  largest = max(given.slots)
  rows: list[common.Row] = []
  ratios: dict[str, float] = {}

  def show(found: list[common.Row], numbers: dict[str, float]) -> None:
    for row in found:
      print(f"{row.name:<24}{row.n:>9,}{row.per_s:>12,.0f} {row.unit}/s")
    for name, value in numbers.items():
      print(f"  {name:<28}{value:>10.3f}", flush=True)
    rows.extend(found)
    ratios.update(numbers)

  for slots in given.slots:
    show(*capacity(slots, given.seconds))
  show([], {"capacity_share": ratios[f"capacity_share_{largest}"]})
  show(*resume(given.requests))
  show(*memory(largest, given.requests))
  common.report(rows, ratios, given.json)


if __name__ == "__main__":
  main()
