"""`BoundedTransport`: sends requests to one server and reads its replies within limits of time and size.

The `openai` package decides what is sent and repeated; this decides what of a reply reaches it. A reply is read whole,
within `timeout` and the size that an answer may have. The HTTP library limits single reads and writes only; here every
wait is for what is left of the whole time (`deadline.py`). Of the headers those for retries are passed on, of an error
its message without the key. No redirection is followed: the requests and the key are for the host in the file.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.deadline import Clock, ClockedNetwork
from outgrow.endpoints.response import largest_reply, parsed, readable
from outgrow.errors import DataError, StepFailed

UPLOAD_SPEED = 100_000
"""Bytes a second that a request may take to go out, on top of the time for the answer."""
LARGEST_LIST = 64 * 2**20
"""Bytes of a reply that is no answer: a list of files, of jobs, of events."""
LARGEST_ERROR = 2**16
"""Bytes of an error that are read."""
LONGEST_MESSAGE = 1000
IDLE_SECONDS = 5.0
"""After which an open connection is not used again."""
ANSWERS = "/chat/completions"
PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry")
"""Headers that say when to ask again."""
UTF8 = "application/json; charset=utf-8"


class BoundedTransport(httpx2.BaseTransport):
    """The connections to one server; many threads may use them."""

    def __init__(self, section: Mapping[str, Any], name: str, secret: ApiKey) -> None:
        """`section` is a `config.endpoint.EndpointSection` as a dictionary, `name` stands for it in messages."""
        self._section, self._name, self._secret = section, name, secret
        self._clock = Clock()
        secure = urlsplit(section["url"]).scheme == "https"
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context() if secure else None,
            proxy=proxy_of(section["url"]),
            max_connections=None,
            max_keepalive_connections=section["concurrency"],
            keepalive_expiry=IDLE_SECONDS,
            network_backend=ClockedNetwork(self._clock),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The whole reply.

        Raises `httpx2.TransportError` for what may pass, `ValueError` for a reply that is too long or no object of
        JSON, `StepFailed` for a redirection.
        """
        seconds = self._section["timeout"] + int(request.headers.get("content-length", 0)) / UPLOAD_SPEED
        with (
            self._clock.running(seconds),
            as_httpx2_errors(),
            closing(self._pool.handle_request(_plain(request))) as raw,
        ):
            if 300 <= raw.status < 400:
                raise StepFailed(self._elsewhere(raw.status, httpx2.Headers(raw.headers).get("location", "")))
            reply = httpx2.Response(raw.status, headers=raw.headers, content=raw.iter_stream())
            headers = {name: reply.headers[name] for name in PASSED_ON if name in reply.headers}
            content = self._answer(reply, largest_of(request)) if reply.is_success else self._error(reply)
        return httpx2.Response(raw.status, headers={**headers, "content-type": UTF8}, content=content)

    def close(self) -> None:
        """End the connections."""
        self._pool.close()

    def _answer(self, reply: httpx2.Response, most: int) -> bytes:
        """The body, an object of JSON in UTF-8; a `ValueError` for any other."""
        try:
            content = self._body(reply, most)
        except httpx2.DecodingError as error:
            raise ValueError(f"compressed wrongly: {error}") from None
        if len(content) > most:
            raise ValueError(f"more than {most} bytes, which no answer to this question has")
        content = in_utf8(content, reply.charset_encoding)
        parsed(content)
        return content

    def _error(self, reply: httpx2.Response) -> bytes:
        """An error's message, as OpenAI would send it."""
        try:
            content = self._body(reply, LARGEST_ERROR)
        except httpx2.DecodingError:
            content = b""
        message = self._secret.hidden(message_of(content))[:LONGEST_MESSAGE]
        return json.dumps({"error": {"message": message}} if message else {}).encode()

    def _body(self, reply: httpx2.Response, most: int) -> bytes:
        """The body, decompressed, to its end or until it has more bytes than `most`."""
        content = bytearray()
        for piece in reply.iter_bytes():
            content += piece
            self._clock.left(None)
            if len(content) > most:
                break
        return bytes(content)

    def _elsewhere(self, status: int, place: str) -> str:
        where = readable(self._secret.hidden(place)[:LONGEST_MESSAGE])
        return (
            f"{self._name}: the server sends the questions elsewhere (HTTP {status}, to `{where}`), where they do not"
            " follow; write the address of a server that answers itself as `url`"
        )


def largest_of(request: httpx2.Request) -> int:
    """Bytes that the reply to a request may have."""
    if not request.url.path.endswith(ANSWERS):
        return LARGEST_LIST
    return largest_reply(json.loads(request.content), len(request.content))


def in_utf8(content: bytes, charset: str | None) -> bytes:
    """A body as UTF-8, which JSON is written in, whatever else a server says; bytes that are no text stay.

    >>> in_utf8(b"caf\\xe9", "latin-1").decode()
    'café'
    """
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return content.decode(charset or "utf-8").encode("utf-8")
        except (ValueError, LookupError):
            return content
    return content.removeprefix(b"\xef\xbb\xbf")


def message_of(content: bytes) -> str:
    """The message in the body of an error, in any of the shapes that servers use; empty for other bodies."""
    try:
        body = parsed(content)
    except ValueError:
        return ""
    error = body.get("error", body)
    for message in (error, body.get("detail"), *([error.get("message")] if isinstance(error, dict) else [])):
        if isinstance(message, str):
            return message
    return ""


def proxy_of(url: str) -> httpcore2.Proxy | None:
    """The proxy that the environment names for a server. Raises `DataError` for one that cannot be."""
    parts, proxies = urlsplit(url), getproxies()
    host, address = parts.hostname or "", proxies.get(parts.scheme) or proxies.get("all")
    if not address or proxy_bypass(host) or _is_in_network(host, proxies.get("no", "")):
        return None
    try:
        proxy = httpx2.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx2.InvalidURL):
        # Its address is not repeated, as it may hold a password.
        raise DataError(
            f"the environment's proxy for {parts.scheme} has no address such as `http://127.0.0.1:3128`"
        ) from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise DataError(f"the environment's proxy for {parts.scheme} uses SOCKS: install `socksio`, or set another")
    return httpcore2.Proxy(str(proxy.url), proxy.raw_auth)


def _is_in_network(host: str, networks: str) -> bool:
    """Whether an address lies in one of the networks (`10.0.0.0/8`) of a list with commas."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for network in networks.split(","):
        try:
            if address in ipaddress.ip_network(network.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def _plain(request: httpx2.Request) -> httpcore2.Request:
    url = request.url
    address = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return httpcore2.Request(
        request.method,
        address,
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


@contextmanager
def as_httpx2_errors() -> Iterator[None]:
    """Failures of the connection as the `openai` package knows them."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise httpx2.ReadTimeout(str(error)) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
        raise httpx2.TransportError(str(error)) from None
    except httpcore2.UnsupportedProtocol as error:
        raise httpx2.UnsupportedProtocol(str(error)) from None
