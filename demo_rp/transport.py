"""HTTP to the gateway: requests go out, answers come back checked, refusals become errors with a code."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO

import httpx

from demo_rp import limits
from demo_rp.settings import Settings

Answer = dict[str, Any]


class GatewayError(Exception):
    """The gateway refused (`problem` has code, title, detail and remedy) or does not answer as described."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.problem = status, problem


class Transport:
    """Requests below `{gateway}/v1/` with the account's id and secret (HTTP Basic)."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{settings.gateway}/v1/",
            auth=(settings.client_id, settings.client_secret),
            timeout=httpx.Timeout(limits.REQUEST_SECONDS, connect=limits.CONNECT_SECONDS),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, method: str, path: str, **request: Any) -> Answer:
        """Send a request and return the document or signing that it is answered with.

        Raises:
            GatewayError: with the gateway's code; GATEWAY_UNREACHABLE; GATEWAY_ANSWER_UNEXPECTED.
        """
        answer = await _json_of(await self.send(method, path, **request))
        if not all(isinstance(answer.get(member), str) for member in ("id", "state")):
            raise unexpected()
        return answer

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request and return the open response, which the caller closes.

        Raises:
            GatewayError: as with `ask`.
        """
        try:
            response = await self._http.send(self._http.build_request(method, path, **request), stream=True)
        except httpx.HTTPError as error:
            raise unreachable() from error
        if not response.is_success:
            raise GatewayError(response.status_code, {"code": "GATEWAY_ANSWER_UNEXPECTED", **await _json_of(response)})
        return response


def unreachable() -> GatewayError:
    """Return the error of a gateway that is down or broke off."""
    return GatewayError(503, {"code": "GATEWAY_UNREACHABLE"})


def unexpected() -> GatewayError:
    """Return the error of an answer that is not what the API describes."""
    return GatewayError(502, {"code": "GATEWAY_ANSWER_UNEXPECTED"})


async def octets(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a file from its beginning, piece by piece."""
    await asyncio.to_thread(file.seek, 0)
    while piece := await asyncio.to_thread(file.read, limits.CHUNK_BYTES):
        yield piece


async def pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield a response's content, then close it.

    Raises:
        GatewayError: GATEWAY_UNREACHABLE, when it breaks off.
    """
    try:
        async for piece in response.aiter_bytes():
            yield piece
    except httpx.HTTPError as error:
        raise unreachable() from error
    finally:
        await response.aclose()


async def _json_of(response: httpx.Response) -> Answer:
    """Return the JSON object in a response, empty where it holds none."""
    content = bytearray()
    async for piece in pieces(response):
        content += piece
        if len(content) > limits.ANSWER_BYTES:
            return {}
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
