"""`fts timestamp probe`: has every configured authority give one real token, which a connection alone does not show.

The JSON object is stable: authorities, each with url, granted, seconds, and either outcome and error, or authority,
policy, time, offset_seconds (its time less ours), unit_days_left and qualified_statement.
"""

import json
import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final

import httpx
import typer

from fts import commands
from fts.exits import REFUSED, WRONG_USE, refused_as
from fts.outbound import Target, outbound_client
from fts.settings import Settings
from fts.terminal import printable
from timestamping.algorithms import DigestAlgorithm
from timestamping.client.failover import FailoverTimestampSource
from timestamping.client.settings import ClientLimits, TsaSettings
from timestamping.clock import utc_now
from timestamping.ports import TimestampError
from timestamping.token import states_qualified

_DAY_SECONDS: Final = 86_400
_ONCE: Final = replace(ClientLimits(), attempts=1)


def probe_command(
    config: Annotated[
        Path, typer.Option("--config", help="The gateway's configuration file (TOML); its authorities are asked.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask each configured authority for one token, and verify it; exit status 1 where one gives none.

    Each is asked once, by the same client and checks as for a signature. Mind that it counts against its quota.
    """
    from fts.configuration import load  # noqa: PLC0415 - the other commands need no configuration

    settings = refused_as(WRONG_USE, lambda: load(config).engine_settings())
    found = commands.run(_probed(settings))
    if as_json:
        typer.echo(json.dumps({"authorities": found}, indent=2))
    else:
        for result in found:
            typer.echo(printable(_told(result)))
    if not all(result["granted"] for result in found):
        raise typer.Exit(REFUSED)


async def _probed(settings: Settings) -> list[dict[str, Any]]:
    urls = [*settings.allowed_urls, *(tsa.url for tsa in settings.tsas)]
    async with outbound_client(allowed=[Target.of(url) for url in urls]) as client:
        ask = partial(_ask, client, settings)
        # one after the other: a burst would look like an attack to whom it reaches
        return [await ask(tsa) for tsa in settings.tsas]


async def _ask(client: httpx.AsyncClient, settings: Settings, tsa: TsaSettings) -> dict[str, Any]:
    source = FailoverTimestampSource(client, [tsa], anchors=settings.anchors, clock=utc_now, limits=_ONCE)
    algorithm = DigestAlgorithm.SHA256
    began = perf_counter()
    try:
        token = await source.timestamp(secrets.token_bytes(algorithm.size), algorithm)
    except TimestampError as error:
        outcome = error.attempts[-1].outcome.value
        seconds = round(perf_counter() - began, 3)
        return {"url": tsa.url, "granted": False, "seconds": seconds, "outcome": outcome, "error": str(error)}
    now = utc_now()
    return {
        "url": tsa.url,
        "granted": True,
        "seconds": round(perf_counter() - began, 3),
        "authority": token.tsu_certificate.subject.rfc4514_string(),
        "policy": token.policy,
        "time": token.gen_time.isoformat(),
        "offset_seconds": round((token.gen_time - now).total_seconds(), 3),
        "unit_days_left": round((token.tsu_certificate.not_valid_after_utc - now).total_seconds() / _DAY_SECONDS, 1),
        "qualified_statement": states_qualified(token),
    }


def _told(result: dict[str, Any]) -> str:
    if not result["granted"]:
        return f"NO TOKEN  {result['url']}  {result['outcome']}: {result['error']}"
    return (
        f"granted   {result['url']}  in {result['seconds']:.2f} s, {result['offset_seconds']:+.1f} s from our clock, "
        f"by {result['authority']} ({result['unit_days_left']:.0f} days left)"
    )
