"""What happens by itself: deadlines, destruction after the retention time, removal of what nothing refers to.

Every part is safe to run twice and on several nodes; a failure is tried again at the next round.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from fts.audit.service import Actor
from fts.documents import service as documents
from fts.documents.models import document as document_table
from fts.documents.models import preview as preview_table
from fts.jobs.queue import forget_finished
from fts.problems import ProblemError
from fts.services import Services, clear_spool
from fts.signings import store
from fts.signings.models import signing as signing_table
from fts.signings.service import destroy
from fts.signings.states import State
from fts.signings.store import StaleError, move

_LOG: Final = logging.getLogger("fts.upkeep")
_MOST: Final = 500
"""Rows of one kind that one round looks at."""
_JOB_AGE: Final = timedelta(days=1)


async def keep_up(services: Services) -> None:
    """Sweep again and again until cancelled."""
    loop = asyncio.get_running_loop()
    orphans_at = loop.time()
    while True:
        try:
            await sweep(services)
            if loop.time() >= orphans_at:
                await remove_orphans(services)
                orphans_at = loop.time() + services.limits.orphan_sweep_seconds
        except Exception:  # noqa: BLE001 - the next round tries again
            _LOG.exception("a sweep failed; the next one tries again")
        await asyncio.sleep(services.limits.sweep_seconds)


async def sweep(services: Services) -> None:
    """Do one round."""
    await _expire(services)
    await _destroy(services)
    await asyncio.to_thread(clear_spool, services.configuration)
    async with services.database.write() as work:
        await forget_finished(work, _JOB_AGE)


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


async def _destroy(services: Services) -> None:
    """Destroy documents whose retention time is over, with everything derived from them (FTS-GDPR-1)."""
    async with services.database.read() as connection:
        over = await documents.expired(connection, services.clock(), _MOST)
    for client_id, document_id in over:
        try:
            await destroy(services, client_id, document_id, Actor.system(), "document.destroyed")
        except ProblemError:
            continue


async def remove_orphans(services: Services) -> None:
    """Remove objects that a crash left without a row."""
    old = services.clock() - services.limits.orphan_age
    names = [stored.name async for stored in services.store.listing() if stored.modified_at < old]
    if not names:
        return
    columns = (
        document_table.c.object,
        document_table.c.effective_object,
        preview_table.c.image_object,
        preview_table.c.text_object,
        signing_table.c.prepared_object,
        signing_table.c.result_object,
    )
    async with services.database.read() as connection:
        known = {name for column in columns for (name,) in await connection.execute(select(column))}
    for name in names:
        if name not in known:
            await services.store.delete(name)
            _LOG.info("removed an object that nothing refers to: %s", name)
