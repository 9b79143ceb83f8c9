"""Error classes, retries and totals with a scripted server; one real server."""

import asyncio
import json
from collections import deque

import httpx
import pytest

from glimo_jax.agent.llm import Request
from glimo_jax.agent.served import (
  BudgetExceeded,
  ServedError,
  ServedLM,
  TeacherConfig,
)

URL = "http://127.0.0.1:1/v1"


def ask(text="q", **fields):
  return Request(({"role": "user", "content": text},), **fields)


def reply(content, reason="stop", usage=(10, 2)):
  choice = {"message": {"content": content}, "finish_reason": reason}
  tokens = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
  return httpx.Response(200, json={"choices": [choice], "usage": tokens})


class Server:
  """Returns responses in turn, repeats the last one, and stores the bodies."""

  def __init__(self, *responses):
    self.responses, self.bodies, self.waits = list(responses), [], []
    self.headers = []

  def __call__(self, request):
    self.bodies.append(json.loads(request.content))
    self.headers.append(request.headers)
    at = min(len(self.bodies), len(self.responses)) - 1
    response = self.responses[at]
    if isinstance(response, Exception):
      raise response
    if callable(response):
      return response(self.bodies[-1])
    copy = httpx.Response(response.status_code, content=response.content)
    copy.headers.update(response.headers)
    return copy

  def lm(self, **fields):
    async def sleep(seconds):
      self.waits.append(seconds)
      await asyncio.sleep(0)

    return ServedLM(
      TeacherConfig(base_url=URL, model="m", **fields),
      transport=httpx.MockTransport(self),
      sleep=sleep,
    )


def test_every_sampling_parameter_is_sent():
  server = Server(reply("hi"))
  request = ask(max_tokens=7, temperature=0.5, top_p=0.9, stop=("\n",), seed=3)
  (completion,) = server.lm().generate([request])
  assert completion.text == "hi"
  assert server.bodies == [
    {
      "model": "m",
      "messages": [{"role": "user", "content": "q"}],
      "max_tokens": 7,
      "temperature": 0.5,
      "top_p": 0.9,
      "seed": 3,
      "stop": ["\n"],
    }
  ]


def test_choices_are_sent_as_an_enumeration_and_returned_as_a_word():
  server = Server(reply('{"answer": "up"}'))
  (completion,) = server.lm().generate([ask(choices=("up", "down"))])
  assert completion.text == "up"
  schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
  assert schema["properties"]["answer"]["enum"] == ["up", "down"]
  fenced = Server(reply('```json\n{"answer": "down"}\n```'))
  (completion,) = fenced.lm().generate([ask(choices=("up", "down"))])
  assert completion.text == "down"


def test_server_without_schemas_gets_plain_text_afterwards():
  def plain_only(body):
    return httpx.Response(400) if "response_format" in body else reply(" Up. ")

  server = Server(plain_only)
  lm = server.lm(concurrency=1)
  requests = [ask(str(i), choices=("up", "down")) for i in range(3)]
  assert [c.text for c in lm.generate(requests)] == ["up"] * 3
  forms = ["response_format" in body for body in server.bodies]
  assert forms == [True, False, False, False]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_server_is_retried_and_retry_after_is_obeyed(status):
  busy = httpx.Response(status, headers={"retry-after": "7"})
  server = Server(busy, busy, reply("ok"))
  lm = server.lm()
  (completion,) = lm.generate([ask()])
  assert completion.text == "ok"
  assert server.waits == [7.0, 7.0]
  assert lm.totals["retries"] == 2


def test_waits_double_with_jitter_without_retry_after():
  server = Server(httpx.Response(503))
  server.lm(retries=4, backoff=1.0).generate([ask()])
  assert len(server.waits) == 4
  for attempt, wait in enumerate(server.waits):
    assert 0.5 * 2**attempt <= wait <= 2**attempt


@pytest.mark.parametrize(
  ("trouble", "error_class", "tries"),
  [
    (httpx.Response(500), "retry", 3),
    (httpx.ReadTimeout("slow"), "retry", 3),
    (httpx.Response(400), "reject", 1),
    (httpx.Response(422), "reject", 1),
    (httpx.Response(200, text="<html>"), "retry", 3),
    (httpx.Response(200, json={"choices": []}), "retry", 3),
    (reply("unfin", reason="length"), "resample", 1),
  ],
)
def test_each_failure_has_its_error_class(trouble, error_class, tries):
  server = Server(trouble)
  (completion,) = server.lm(retries=2).generate([ask()])
  assert completion.error_class == error_class
  assert len(server.bodies) == tries


def test_truncation_is_not_a_parse_error():
  server = Server(reply('{"answ', reason="length"))
  (completion,) = server.lm().generate([ask(choices=("up", "down"))])
  assert completion.finish_reason == "length"
  assert "truncated" in completion.error


@pytest.mark.parametrize("text", ['{"answer": "north"}', "{}", '["up"]'])
def test_answers_outside_the_choices_are_resampled(text):
  (completion,) = Server(reply(text)).lm().generate([ask(choices=("up",))])
  assert completion.error_class == "resample"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_errors_that_need_a_person_stop_at_once(status):
  server = Server(httpx.Response(status))
  with pytest.raises(ServedError, match=str(status)):
    server.lm(concurrency=1).generate([ask(str(i)) for i in range(20)])
  assert len(server.bodies) == 1


def test_unreachable_server_is_named_with_its_role():
  server = Server(httpx.ConnectError("refused"))
  with pytest.raises(ServedError, match=r"no server answers at base_url http"):
    server.lm().generate([ask()])


def test_server_with_a_short_outage_is_retried():
  server = Server(reply("a"), httpx.ConnectError("refused"), reply("b"))
  lm = server.lm(concurrency=1)
  assert [c.text for c in lm.generate([ask("1"), ask("2")])] == ["a", "b"]


def test_requests_in_flight_are_bounded_and_halve_once_for_a_busy_moment():
  """Four at a time, two after four refusals at once, and four again later."""
  busy = 0
  in_flight = []  # at the start of each request

  async def handler(request):
    nonlocal busy
    busy += 1
    in_flight.append(busy)
    refused = len(in_flight) <= 4
    for _ in range(50):  # lets every waiting request start
      await asyncio.sleep(0)
    busy -= 1
    return httpx.Response(429) if refused else reply("ok")

  async def sleep(seconds):
    del seconds

  lm = ServedLM(
    TeacherConfig(base_url=URL, model="m", concurrency=4),
    transport=httpx.MockTransport(handler),
    sleep=sleep,
  )
  texts = [c.text for c in lm.generate([ask(str(i)) for i in range(40)])]
  assert texts == ["ok"] * 40
  assert in_flight[:4] == [1, 2, 3, 4]
  assert max(in_flight[5:8]) == 2
  assert max(in_flight) == max(in_flight[8:]) == 4


def test_a_slow_request_holds_nobody_else():
  """All others are answered while the first one waits."""
  last = asyncio.Event()

  async def handler(request):
    text = json.loads(request.content)["messages"][0]["content"]
    if text == "slow":
      await last.wait()
    if text == "99":
      last.set()
    return reply(text)

  lm = ServedLM(
    TeacherConfig(base_url=URL, model="m", concurrency=2),
    transport=httpx.MockTransport(handler),
  )
  requests = deque([ask("slow"), *(ask(str(i)) for i in range(100))])
  order = [i for batch in lm.stream(requests) for i, _ in batch]
  assert sorted(order) == list(range(101))
  assert order.index(0) >= 99


def test_requests_may_be_added_while_answers_arrive():
  lm = Server(lambda body: reply(body["messages"][0]["content"])).lm()
  requests, texts = deque([ask("0")]), []
  for batch in lm.stream(requests):
    texts += [completion.text for _, completion in batch]
    if len(texts) < 50:
      requests += [ask(str(len(texts)))]
  assert texts == [str(i) for i in range(50)]


def test_answers_that_nobody_waits_for_are_given_up():
  async def handler(request):
    text = json.loads(request.content)["messages"][0]["content"]
    if text != "first":
      await asyncio.sleep(3600)
    return reply(text)

  lm = ServedLM(
    TeacherConfig(base_url=URL, model="m"),
    transport=httpx.MockTransport(handler),
  )
  answers = lm.stream(deque([ask("first"), *(ask(str(i)) for i in range(9))]))
  assert next(answers)[0][1].text == "first"
  answers.close()
  assert [c.text for c in lm.generate([ask("first")])] == ["first"]
  lm.close()


def test_tokens_and_cost_are_counted_and_the_budget_stops():
  server = Server(reply("ok", usage=(1000, 500)))
  lm = server.lm(prices=(1.0, 4.0), budget=0.009, concurrency=1)
  answered = []

  def collect():
    for batch in lm.stream(deque(ask(str(i)) for i in range(9))):
      answered.extend(batch)

  with pytest.raises(BudgetExceeded, match="budget"):
    collect()
  assert len(answered) == len(server.bodies) == 3
  assert lm.totals["prompt_tokens"] == 3000
  assert lm.totals["cost"] == pytest.approx(0.009)


def test_a_budget_holds_where_the_server_counts_no_tokens():
  choice = {"message": {"content": "x" * 400}, "finish_reason": "stop"}
  server = Server(httpx.Response(200, json={"choices": [choice]}))
  lm = server.lm(prices=(0.0, 1e4), budget=2.0, concurrency=1)
  with pytest.raises(BudgetExceeded):
    lm.generate([ask()] * 9)
  assert len(server.bodies) == 2  # a hundred tokens each


def test_api_key_is_sent_and_never_shown(monkeypatch):
  monkeypatch.setenv("SOME_KEY", "sk-secret")
  server = Server(httpx.Response(401, text="wrong key sk-secret"))
  lm = server.lm(api_key_env="SOME_KEY")
  with pytest.raises(ServedError) as error:
    lm.generate([ask()])
  assert server.headers[0]["authorization"] == "Bearer sk-secret"
  shown = f"{error.value} {lm!r} {vars(lm)}"
  assert "sk-secret" not in shown
  monkeypatch.delenv("SOME_KEY")
  with pytest.raises(ServedError, match="SOME_KEY is empty"):
    lm.generate([ask()])


@pytest.mark.parametrize(
  "url",
  [
    "ftp://x/v1", "http://me:pw@host/v1", "host", "http://host/v1?key=pw",
    "http://me:pw/x@host/v1", "http://host:pw/v1", "http://host:99999/v1",
  ],
)  # fmt: skip
def test_bad_urls_are_refused_without_repeating_them(url):
  with pytest.raises(ValueError, match="base_url") as error:
    TeacherConfig(base_url=url, model="m")
  assert "pw" not in str(error.value)


def test_real_server_answers_choices_text_and_truncations(served_fixture):
  url, model = served_fixture
  lm = ServedLM(TeacherConfig(base_url=url, model=model, concurrency=2))
  requests = [
    ask("goal two up. Which way?", choices=("up", "down", "left", "right")),
    ask("Say hello.", max_tokens=2),
  ]
  chosen, cut = lm.generate(requests)
  assert chosen.text in ("up", "down", "left", "right")
  assert chosen.error is None
  assert cut.finish_reason == "length"
  assert lm.totals["prompt_tokens"] > 10


def test_eight_rows_are_annotated_by_a_real_server(served_fixture, tmp_path):
  import simulators
  from glimo_jax.agent import prompts
  from glimo_jax.agent.skills import NextActionSkill, QuestionSkill
  from glimo_jax.data import annotate, collect, journal

  world = simulators.make("agentworld", size=5)
  played = collect.CollectConfig(
    levels=6, depths=(0,), steps=12, actors={"mixed": 1.0}, moments=16
  )
  wanted = annotate.AnnotateConfig(
    skills={
      "question": QuestionSkill(rows=4, drafted=4),
      "next_action": NextActionSkill(rows=4, drafted=4),
    }
  )
  url, model = served_fixture
  with journal.Journal(tmp_path / "journal.jsonl") as book:
    teacher = ServedLM(TeacherConfig(base_url=url, model=model, concurrency=2))
    lm = journal.JournaledLM(teacher, book, prompts.PROMPT_VERSION)
    data = annotate.annotate(
      collect.collect(world, played),
      world,
      collect.pool_of(world, played),
      wanted,
      lm,
    )
  counts = data.counts["by_source"]["llm"]
  assert counts["planned"] == 8
  assert counts["failed"] == counts["unverifiable"] == 0
  assert counts["verified"] + counts["refuted"] + counts["invalid"] == 8
  assert (
    data.counts["verified"] == 8
  )  # the tools wrote the rows that the model got wrong
  assert data.counts["tokens"]["prompt"] > 8 * 100
  assert lm.asked == data.counts["requests"] >= 8
