"""`BoundedTransport`: sends requests to one server and reads its replies within limits of time and size.

The `openai` package decides which requests are sent and repeated; this module decides which parts of a reply reach it.
A reply is read completely, within `timeout` and the maximal size of an answer. The HTTP library limits only single
reads and writes; here every wait is limited by the remaining time (`deadline.py`). Only the headers for retries are
passed on, and of an error only its message without the key. Redirections are not followed, because the requests and
the key are for the host in the file of settings.
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
"""Bytes per second; the upload of a request extends the timeout of its answer accordingly."""
LARGEST_LIST = 64 * 2**20
"""Bytes of other replies, at most: lists of files, jobs, events."""
LARGEST_FILE = 512 * 2**20
"""Bytes of a downloaded file, at most: the replies of a batch."""
LARGEST_ERROR = 2**16
"""Bytes of an error, at most."""
LONGEST_MESSAGE = 1000
IDLE_SECONDS = 5.0
"""Seconds after which an idle connection is not used again."""
ANSWERS, FILE = "/chat/completions", "/content"
PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry")
"""Headers for the time of a retry."""
UTF8 = "application/json; charset=utf-8"


class BoundedTransport(httpx2.BaseTransport):
    """The connections to one server; thread-safe."""

    def __init__(self, section: Mapping[str, Any], name: str, secret: ApiKey) -> None:
        """`section` is a `config.endpoint.EndpointSection` as a dictionary, `name` its name in messages."""
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
        """The complete reply.

        Raises `httpx2.TransportError` for temporary failures, `ValueError` for a reply that is too long or not a JSON
        object, `StepFailed` for a redirection.
        """
        n_bytes = LARGEST_FILE if is_file(request) else int(request.headers.get("content-length", 0))
        seconds = self._section["timeout"] + n_bytes / UPLOAD_SPEED
        with (
            self._clock.running(seconds),
            as_httpx2_errors(),
            closing(self._pool.handle_request(_plain(request))) as raw,
        ):
            if 300 <= raw.status < 400:
                raise StepFailed(
                    self._redirection_message(raw.status, httpx2.Headers(raw.headers).get("location", ""))
                )
            reply = httpx2.Response(raw.status, headers=raw.headers, content=raw.iter_stream())
            headers = {name: reply.headers[name] for name in PASSED_ON if name in reply.headers}
            content = self._answer(request, reply) if reply.is_success else self._error(reply)
        return httpx2.Response(raw.status, headers={**headers, "content-type": UTF8}, content=content)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _answer(self, request: httpx2.Request, reply: httpx2.Response) -> bytes:
        """The body, a JSON object in UTF-8, or a file as it is. Raises `ValueError` for other bodies."""
        most = largest_of(request)
        try:
            content = self._body(reply, most)
        except httpx2.DecodingError as error:
            raise ValueError(f"wrong compression: {error}") from None
        if len(content) > most:
            raise ValueError(f"more than {most} bytes, the limit for this request")
        if is_file(request):
            return content
        content = in_utf8(content, reply.charset_encoding)
        parsed(content)
        return content

    def _error(self, reply: httpx2.Response) -> bytes:
        """The message of an error, in OpenAI's format."""
        try:
            content = self._body(reply, LARGEST_ERROR)
        except httpx2.DecodingError:
            content = b""
        message = self._secret.hidden(message_of(content))[:LONGEST_MESSAGE]
        return json.dumps({"error": {"message": message}} if message else {}).encode()

    def _body(self, reply: httpx2.Response, most: int) -> bytes:
        """The decompressed body, up to its end or until it has more than `most` bytes."""
        content = bytearray()
        for piece in reply.iter_bytes():
            content += piece
            self._clock.left(None)
            if len(content) > most:
                break
        return bytes(content)

    def _redirection_message(self, status: int, location: str) -> str:
        target = readable(self._secret.hidden(location)[:LONGEST_MESSAGE])
        return (
            f"{self._name}: the server redirects requests (HTTP {status}, to `{target}`), and redirections are not"
            " followed; give the address of a server that answers directly as `url`"
        )


def largest_of(request: httpx2.Request) -> int:
    """Bytes of the reply to a request, at most."""
    if not request.url.path.endswith(ANSWERS):
        return LARGEST_FILE if is_file(request) else LARGEST_LIST
    return largest_reply(json.loads(request.content), len(request.content))


def is_file(request: httpx2.Request) -> bool:
    """Whether the content of a file is requested."""
    return request.method == "GET" and request.url.path.endswith(FILE)


def in_utf8(content: bytes, charset: str | None) -> bytes:
    """A JSON body as UTF-8, with any declared charset; bytes that are not text are unchanged.

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
    """The message in the body of an error, in any of the usual formats; empty for other bodies."""
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
    """The environment's proxy for a server. Raises `DataError` for an invalid one."""
    parts, proxies = urlsplit(url), getproxies()
    host, address = parts.hostname or "", proxies.get(parts.scheme) or proxies.get("all")
    if not address or proxy_bypass(host) or _is_in_network(host, proxies.get("no", "")):
        return None
    try:
        proxy = httpx2.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx2.InvalidURL):
        # The message leaves out the address, which may contain a password.
        raise DataError(
            f"the environment's proxy for {parts.scheme} is not an address such as `http://127.0.0.1:3128`"
        ) from None
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise DataError(f"the environment's proxy for {parts.scheme} uses SOCKS: install `socksio`, or set another")
    return httpcore2.Proxy(str(proxy.url), proxy.raw_auth)


def _is_in_network(host: str, networks: str) -> bool:
    """Whether an address is in one of the networks (`10.0.0.0/8`) of a comma-separated list."""
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
    """Failures of the connection as exceptions that the `openai` package handles."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise httpx2.ReadTimeout(str(error)) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
        raise httpx2.TransportError(str(error)) from None
    except httpcore2.UnsupportedProtocol as error:
        raise httpx2.UnsupportedProtocol(str(error)) from None
