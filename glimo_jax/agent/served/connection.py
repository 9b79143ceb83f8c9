"""Address, key, proxies, and one connection for each request in flight.

Nothing here repeats a secret: addresses with credentials, keys and proxies are
refused by name, not by value.
"""

import collections
import dataclasses
import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping

import httpx

_PORTS = range(1, 65536)
# A variable's name in words of capitals; a longer word may be a pasted key.
_NAME = re.compile(r"_?[A-Z][A-Z0-9]{0,15}(_[A-Z0-9]{1,16})*")
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1)


def check_address(base_url: str) -> httpx.URL:
  """The parsed address of a server.

  Raises:
    ValueError: it is no address, or holds credentials (not repeated).
  """
  try:
    url = httpx.URL(base_url)
  except httpx.InvalidURL:  # it may hold a secret: it is not repeated
    raise ValueError(
      "base_url is no address: give http(s)://host:port/path"
    ) from None
  secret = url.userinfo or url.query or url.fragment
  if url.scheme not in ("http", "https") or not url.host or secret:
    raise ValueError(
      f"base_url of host {url.host!r} must be http(s)://host:port/path "
      "without credentials or a query: put the key into an environment "
      "variable and name it in api_key_env"
    )
  if url.port is not None and url.port not in _PORTS:
    raise ValueError(
      f"base_url has port {url.port}, which must lie in 1 to 65535: correct it"
    )
  return url


def check_key_name(name: str) -> None:
  """Raises ValueError for what is no variable's name; it may be a key."""
  if name and not _NAME.fullmatch(name):
    raise ValueError(
      "api_key_env must name an environment variable, in words of at most 16 "
      "capital letters or digits, such as TEACHER_KEY: put the key into the "
      "variable, not here (the value is not shown, as it may be a key)"
    )


def read_key(name: str) -> str:
  """The key in environment variable `name`, without white space around it.

  Raises:
    ValueError: the variable is empty, or no HTTP header can hold its value.
  """
  if not name:
    return ""
  key = os.environ.get(name, "").strip()
  if not key:
    raise ValueError(
      f"environment variable {name} is empty: export the server's key in it, "
      "or name another in teacher.api_key_env"
    )
  if not re.fullmatch(r"[\x21-\x7e]+", key):
    raise ValueError(
      f"the key in environment variable {name} has spaces, control characters "
      "or characters outside ASCII: copy it again"
    )
  return key


def is_loopback(host: str) -> bool:
  """Whether a host is this machine."""
  try:
    return ipaddress.ip_address(host).is_loopback
  except ValueError:
    return host == "localhost" or host.endswith(".localhost")


class Connections(httpx.AsyncBaseTransport):
  """One connection for each request in flight, kept alive for the next.

  A pool of httpx looks at all of its connections for each request, which takes
  most of the time where there are hundreds. Here a request takes a free
  connection, or a new one. Proxies and certificates come from the environment;
  for an address of this machine both are ignored.

  Args:
    url: the server's address.

  Attributes:
    opened: connections made so far.

  Raises:
    ValueError: the environment names a proxy or certificates that cannot be
      used.
  """

  def __init__(self, url: httpx.URL):
    local = is_loopback(url.host)
    variables = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    try:
      if url.scheme == "https":
        self._ssl = httpx.create_ssl_context(trust_env=not local)
      else:
        self._ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
      variables = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
      self._proxy = None if local else _proxy(url)
      self.opened = 0
      self._free = collections.deque([self._open()])
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
      variables = [v for v in variables if v in _environment()]
      raise ValueError(
        f"the environment variables {variables} cannot be used "
        f"({type(error).__name__}): correct or unset them"
      ) from None  # the error may repeat a proxy's password
    self._all = set(self._free)

  async def handle_async_request(
    self, request: httpx.Request
  ) -> httpx.Response:
    """Sends a request; its connection is free when the body is closed."""
    one = self._free.pop() if self._free else self._open()
    self._all.add(one)
    try:
      response = await one.handle_async_request(request)
    except BaseException:
      await self._drop(one)
      raise
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = _Body(response.stream, self, one)
    return response

  async def aclose(self) -> None:
    """Closes all connections."""
    for one in list(self._all):
      await self._drop(one)

  async def free(self, one: httpx.AsyncHTTPTransport, whole: bool) -> None:
    """Takes a connection back; one whose answer was not read is closed."""
    if whole:
      self._free.append(one)
    else:
      await self._drop(one)

  async def _drop(self, one: httpx.AsyncHTTPTransport) -> None:
    self._all.discard(one)
    await one.aclose()

  def _open(self) -> httpx.AsyncHTTPTransport:
    self.opened += 1
    return httpx.AsyncHTTPTransport(
      verify=self._ssl, trust_env=False, proxy=self._proxy, limits=_ONE
    )


class _Body(httpx.AsyncByteStream):
  """The body of a response; gives its connection back when it is closed."""

  def __init__(
    self,
    stream: httpx.AsyncByteStream,
    connections: Connections,
    one: httpx.AsyncHTTPTransport,
  ):
    self._stream, self._connections, self._one = stream, connections, one
    self._whole = self._closed = False

  async def __aiter__(self) -> AsyncIterator[bytes]:
    async for part in self._stream:
      yield part
    self._whole = True

  async def aclose(self) -> None:
    if not self._closed:
      self._closed = True
      await self._stream.aclose()
      await self._connections.free(self._one, self._whole)


def _environment() -> set[str]:
  return {name.upper() for name, value in os.environ.items() if value}


def _proxy(url: httpx.URL) -> str | None:
  """The proxy that the environment names for an address."""
  if urllib.request.proxy_bypass(url.host):
    return None
  named = urllib.request.getproxies()
  found = named.get(url.scheme) or named.get("all")
  if found is None or "://" in found:
    return found
  return f"http://{found}"


@dataclasses.dataclass(frozen=True)
class Reply:
  """What a server replied.

  Attributes:
    status: of HTTP.
    headers: of the response; names in any case.
    text: the body, up to the bound.
    whole: whether the body was read to its end.
  """

  status: int
  headers: Mapping[str, str]
  text: str
  whole: bool = True


async def post(
  transport: httpx.AsyncBaseTransport,
  url: httpx.URL,
  key: str,
  body: bytes,
  max_bytes: int,
) -> Reply:
  """Posts JSON and reads at most `max_bytes` of the reply, without the key.

  The transport is asked without a client of httpx around it: cookies, redirects
  and authentication of such a client took a quarter of a request's time.

  Raises:
    httpx.RequestError: nothing, or no HTTP, came back.
  """
  headers = {"content-type": "application/json", "user-agent": "glimo_jax"}
  if key:
    headers["authorization"] = f"Bearer {key}"
  request = httpx.Request("POST", url, headers=headers, content=body)
  response = await transport.handle_async_request(request)
  parts, size = [], 0
  try:
    async for part in response.aiter_bytes():
      parts.append(part)
      size += len(part)
      if size > max_bytes:
        break
  finally:
    await response.aclose()
  text = b"".join(parts)[:max_bytes].decode("utf-8", "replace")
  text = text.replace(key, "***") if key else text
  return Reply(response.status_code, response.headers, text, size <= max_bytes)
