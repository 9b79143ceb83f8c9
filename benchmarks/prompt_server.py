"""A server that answers every chat at once, after a delay: for benchmarks.

  python -m benchmarks.prompt_server --delay=0.05 --slots=256

Prints its port. A request beyond the slots waits for a free one, as in a real
engine. It parses no JSON, so that it takes little time beside the client.
`GET /stats` tells connections, requests, and most requests at the same time.
"""

import argparse
import asyncio
import json
from collections import deque

_BODY = json.dumps(
  {
    "choices": [
      {"message": {"content": '{"answer": "up"}'}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 250, "completion_tokens": 8},
  }
).encode()


def _response(body: bytes) -> bytes:
  head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n"
  return head.encode() + body


class Server:
  """Counts and answers; `slots` requests at a time."""

  def __init__(self, delay: float, slots: int):
    self.delay, self.slots, self.busy = delay, slots, 0
    self.stats = {"connections": 0, "requests": 0, "most": 0}
    self._waiting: deque[asyncio.Transport] = deque()
    self._answer = _response(_BODY)

  def ask(self, transport: asyncio.Transport) -> None:
    """Takes one request."""
    self.stats["requests"] += 1
    if self.busy == self.slots:
      self._waiting.append(transport)
    else:
      self.busy += 1
      self.stats["most"] = max(self.stats["most"], self.busy)
      self._work(transport)

  def _work(self, transport: asyncio.Transport) -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(self.delay, self._done, transport)

  def _done(self, transport: asyncio.Transport) -> None:
    transport.write(self._answer)
    if self._waiting:
      self._work(self._waiting.popleft())
    else:
      self.busy -= 1


class Connection(asyncio.Protocol):
  """Finds where each request ends."""

  def __init__(self, server: Server):
    self.server, self.buffer = server, b""

  def connection_made(self, transport):
    self.transport = transport

  def data_received(self, data):
    self.buffer += data
    while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
      if self.buffer.startswith(b"GET"):
        self.buffer = b""
        body = json.dumps(self.server.stats).encode()
        self.transport.write(_response(body))
        return
      at = self.buffer.lower().find(b"content-length:", 0, end)
      size = int(self.buffer[at + 15 : self.buffer.find(b"\r\n", at)])
      if len(self.buffer) < end + 4 + size:
        return
      if not getattr(self, "counted", False):
        self.counted = True
        self.server.stats["connections"] += 1
      self.buffer = self.buffer[end + 4 + size :]
      self.server.ask(self.transport)


async def serve(delay: float, slots: int) -> None:
  """Serves until the process is ended."""
  server, loop = Server(delay, slots), asyncio.get_running_loop()
  listening = await loop.create_server(
    lambda: Connection(server), "127.0.0.1", 0, backlog=1024
  )
  print(listening.sockets[0].getsockname()[1], flush=True)
  await listening.serve_forever()


if __name__ == "__main__":
  flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  flags.add_argument("--delay", type=float, default=0.05)
  flags.add_argument("--slots", type=int, default=256)
  given = flags.parse_args()
  asyncio.run(serve(given.delay, given.slots))
