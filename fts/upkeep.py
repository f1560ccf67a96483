"""What happens by itself: deadlines, destruction after the retention time, removal of what nothing refers to.

Every part is safe to run twice and on several nodes; a failure is tried again at the next round.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from fts.audit.service import Actor
from fts.clients.service import accounts
from fts.destruction import carry_out, destroy, open_orders
from fts.documents import service as documents
from fts.documents.models import destruction as destruction_table
from fts.documents.models import document as document_table
from fts.documents.models import preview as preview_table
from fts.errors import RefusalError
from fts.incidents.service import Finding, close_quiet, note
from fts.jobs.queue import forget_finished
from fts.problems import ProblemError
from fts.services import Services, clear_spool
from fts.signings import store
from fts.signings.models import signing as signing_table
from fts.signings.states import State
from fts.signings.store import StaleError, move
from fts.steady import SteadyClock
from fts.timestamps.models import timestamp as timestamp_table
from storage.ports import StorageError

_LOG: Final = logging.getLogger("fts.upkeep")
_MOST: Final = 500
"""Rows of one kind that one transaction looks at."""
_JOB_AGE: Final = timedelta(days=1)
_ORDER_AGE: Final = timedelta(seconds=5)
"""Age at which an order to destroy is taken over from whoever began it."""


async def keep_up(services: Services) -> None:
    """Sweep again and again until cancelled."""
    loop = asyncio.get_running_loop()
    orphans_at, jumped = loop.time(), False
    while True:
        await _tried("a sweep", sweep(services))
        if isinstance(services.clock, SteadyClock) and (services.clock.jump is not None) != jumped:
            jumped = not jumped
            if jumped:
                await _tried("the record of the clock", _note_jump(services, services.clock))
        if loop.time() >= orphans_at:
            await _tried("the search for orphans", remove_orphans(services))
            orphans_at = loop.time() + services.limits.orphan_sweep_seconds
        await asyncio.sleep(services.limits.sweep_seconds)


async def sweep(services: Services) -> None:
    """Do one round; a part that fails keeps no other from its work."""
    parts: tuple[Callable[[Services], Awaitable[None]], ...] = (_destroy, _end, _carry_on, _expire, _tidy)
    for part in parts:
        await _tried(part.__name__.strip("_"), part(services))


async def _tried(what: str, work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 - the next round tries again
        _LOG.exception("%s failed; the next round tries again", what)


async def _note_jump(services: Services, clock: SteadyClock) -> None:
    off = 0.0 if clock.jump is None else clock.jump.total_seconds()
    async with services.database.write() as work:
        await note(work, Finding("clock_jumped", None, Actor.system(), f"{socket.gethostname()}: {off:+.0f} s"))


async def _destroy(services: Services) -> None:
    """Destroy all documents whose retention time is over, with everything derived from them (FTS-GDPR-1)."""

    async def over() -> list[tuple[str, str]]:
        async with services.database.read() as connection:
            return await documents.expired(connection, services.clock(), _MOST)

    await _destroy_all(services, over, "document.expired")


async def _end(services: Services) -> None:
    """Destroy what was on its way into an account when it ended (FTS-GDPR-2)."""

    async def left() -> list[tuple[str, str]]:
        async with services.database.read() as connection:
            return await documents.left_behind(connection, _MOST)

    await _destroy_all(services, left, "document.deletion_ordered")


async def _destroy_all(services: Services, find: Callable[[], Awaitable[list[tuple[str, str]]]], event: str) -> None:
    done = -1
    while done:
        found = await find()
        done = 0
        for client_id, document_id in found:
            try:
                await destroy(services, client_id, document_id, Actor.system(), event, even_in_use=True)
                done += 1
            except ProblemError:
                continue
            except (StorageError, RefusalError):
                _LOG.exception("%s/%s is ordered to be destroyed; the store failed", client_id, document_id)
                done += 1


async def _carry_on(services: Services) -> None:
    """Carry out orders that a crash or the store interrupted; one that fails again keeps no other waiting."""
    async with services.database.read() as connection:
        orders = await open_orders(connection, services.clock() - _ORDER_AGE, _MOST)
    for order in orders:
        try:
            await carry_out(services, order)
        except (StorageError, RefusalError):
            _LOG.exception("%s/%s cannot be destroyed yet", order.client_id, order.document_id)


async def _expire(services: Services) -> None:
    """End signings whose deadline passed."""
    async with services.database.read() as connection:
        late = await store.overdue(connection, services.clock(), _MOST)
    for signing in late:
        try:
            async with services.database.write() as work:
                await move(work, signing, State.EXPIRED, "signing.expired", Actor.system())
        except StaleError:
            continue


async def _tidy(services: Services) -> None:
    await asyncio.to_thread(clear_spool, services.configuration)
    await close_quiet(services.database, services.clock)
    async with services.database.write() as work:
        await forget_finished(work, _JOB_AGE)


async def remove_orphans(services: Services) -> None:
    """Remove objects, keys and unfinished uploads that a crash left without a row.

    Raises:
        StorageError: at the end, where a bucket failed; what is in the others was removed.
    """
    old, objects, failure = services.clock() - services.limits.orphan_age, [], None
    try:
        async for found in services.vault.objects.listing():
            if found.modified_at < old:
                objects.append(found.name)  # noqa: PERF401 - those before the error count
    except StorageError as error:
        failure = error
    keys = [stored for stored in await services.vault.keys.listing() if stored.modified_at < old]
    known_objects, known_keys = await _referred(services)
    for name in objects:
        if name not in known_objects:
            await services.vault.objects.delete(name)
            _LOG.info("removed an object that nothing refers to: %s", name)
    for stored in keys:
        if stored.key_id not in known_keys:
            await services.vault.keys.delete(stored.owner, stored.key_id)
            _LOG.info("removed a key that nothing refers to: %s/%s", stored.owner, stored.key_id)
    await _remove_buckets(services)
    discarded = await services.vault.objects.discard_unfinished(old)
    if discarded:
        _LOG.info("removed %d unfinished uploads", discarded)
    if failure is not None:
        raise failure


async def _remove_buckets(services: Services) -> None:
    """Remove the buckets of accounts that ended lately: an upload may have made one anew."""
    async with services.database.read() as connection:
        known = await accounts(connection)
    since = services.clock() - timedelta(hours=services.limits.retention_hours)
    for client_id, account in known.items():
        if account.offboarded_at is not None and account.offboarded_at > since:
            await services.vault.keys.delete_owner(client_id)
            # its credential may be gone by now, and with it our way to the bucket
            with suppress(RefusalError):
                await services.vault.objects.remove_bucket(account.definition.bucket)


async def _referred(services: Services) -> tuple[set[str], set[str]]:
    columns = (
        document_table.c.object,
        document_table.c.effective_object,
        preview_table.c.image_object,
        preview_table.c.text_object,
        signing_table.c.prepared_object,
        signing_table.c.result_object,
        timestamp_table.c.result_object,
    )
    async with services.database.read() as connection:
        objects = {name for column in columns for (name,) in await connection.execute(select(column))}
        for (names,) in await connection.execute(select(destruction_table.c.objects)):
            objects.update(names)
        keys = {
            key_id
            for column in (document_table.c.key_id, destruction_table.c.key_id)
            for (key_id,) in await connection.execute(select(column))
        }
    return objects, keys
