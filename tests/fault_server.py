"""An OpenAI-compatible server on real sockets that fails on purpose.

It stands on asyncio alone, in a thread of its own. What it answers depends on
the request alone; how it fails depends on the request and on how often that was
asked, so that two runs meet the same faults.
"""

import asyncio
import collections
import hashlib
import json
import random
import threading

# Name -> bytes that are sent before the connection is closed or kept.
_HTML = "<html><body>Bad gateway</body></html>"
KINDS = (
  "500", "503", "429", "408", "drop", "cut", "garbage", "html", "error-200",
  "no-choices", "huge", "hang",
)  # fmt: skip


def answer_to(text: str) -> str:
  """What the server answers to a last message."""
  return hashlib.sha256(text.encode()).hexdigest()[:12]


class FaultServer:
  """Serves until the block ends.

  Args:
    share: of tries that fail.
    delay: before each reply, s.
    script: body -> reply for each try instead: a kind of fault, "" for a right
      answer, or (status, body, headers).
    seed: of the faults.

  Attributes:
    url: for `base_url`.
    tries: last message -> how often it was asked.
    answered: last message -> how often a right answer was sent.
    faults: kind -> how often it was sent.
    connections: opened so far.
    most_in_flight: requests that were open at the same time.
  """

  def __init__(self, share=0.0, delay=0.0, script=None, seed=0):
    self.share, self.delay, self.script, self.seed = share, delay, script, seed
    self.tries, self.answered, self.faults = (
      collections.Counter() for _ in range(3)
    )
    self.connections = self.in_flight = self.most_in_flight = 0
    self._loop = asyncio.new_event_loop()
    self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

  def __enter__(self):
    self._thread.start()
    start = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
    self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
    port = self._server.sockets[0].getsockname()[1]
    self.url = f"http://127.0.0.1:{port}/v1"
    return self

  def __exit__(self, *_):
    asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
    self._loop.call_soon_threadsafe(self._loop.stop)
    self._thread.join()
    self._loop.close()

  def stop(self):
    """Closes the socket and all connections, as a server that was killed."""
    asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

  async def _stop(self):
    self._server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
      task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

  async def _serve(self, reader, writer):
    self.connections += 1
    try:
      while True:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [
          int(line.split(b":")[1])
          for line in head.lower().split(b"\r\n")
          if line.startswith(b"content-length")
        ]
        body = json.loads(await reader.readexactly(lengths[0]))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
          kept = await self._reply(body, reader, writer)
          await writer.drain()
        finally:
          self.in_flight -= 1
        if not kept:
          return
    except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
      pass
    finally:
      writer.close()

  async def _reply(self, body, reader, writer):
    """Answers one try; returns whether the connection is kept."""
    text = body["messages"][-1]["content"]
    kind = self._kind(body, text)
    self.tries[text] += 1
    await asyncio.sleep(self.delay)
    if isinstance(kind, tuple):
      writer.write(_http(*kind))
      return True
    if kind:
      self.faults[kind] += 1
      return await self._fail(kind, reader, writer)
    content = answer_to(text)
    choice = {"message": {"content": content}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 3}
    writer.write(_http(200, {"choices": [choice], "usage": usage}))
    self.answered[text] += 1
    return True

  def _kind(self, body, text):
    if self.script is not None:
      return self.script(body)
    draw = random.Random(f"{self.seed} {text} {self.tries[text]}")
    return draw.choice(KINDS) if draw.random() < self.share else ""

  async def _fail(self, kind, reader, writer):
    if kind.isdecimal():
      writer.write(_http(int(kind), {"error": "busy"}, {"retry-after": "0"}))
    elif kind == "html":
      writer.write(_http(200, _HTML))
    elif kind == "error-200":
      writer.write(_http(200, {"error": {"code": 502, "message": "upstream"}}))
    elif kind == "no-choices":
      writer.write(_http(200, {"choices": []}))
    elif kind == "huge":
      writer.write(_http(200, "x" * 2_000_000))
    elif kind == "garbage":
      writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
      return False
    elif kind == "cut":
      writer.write(_http(200, {"choices": []})[:-5])
      return False
    elif kind == "hang":
      await reader.read(1)  # until the client gives up
    return kind not in ("drop", "hang")


def _http(status, body, headers=None):
  if not isinstance(body, str):
    body = json.dumps(body)
  data = body.encode()
  named = {"content-length": str(len(data)), **(headers or {})}
  lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
  return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + data
