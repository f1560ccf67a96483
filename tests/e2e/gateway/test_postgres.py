"""The whole line on PostgreSQL, each process with the least rights: design sections 4 and 8, FTS-GDPR-5."""

import psycopg
import pytest

from tests.e2e.gateway.conftest import Separated
from tests.samples.sound import SOUND


def test_a_document_from_upload_to_destruction(separated: Separated) -> None:
    account = separated.account
    signing = account.new_signing(SOUND["one_page"]())
    browser = separated.browser(signing)
    assert browser.sign(separated.signer)["state"] == "completed"
    browser.http.get(f"{browser.path}/pages/1.png").raise_for_status()
    account.api.get(f"/v1/signings/{signing['id']}/content").raise_for_status()
    account.api.get("/v1/usage").raise_for_status()
    account.api.get("/v1/export").raise_for_status()
    assert account.api.delete(f"/v1/documents/{signing['document']}").status_code == 204
    kinds = [event.kind for event in separated.trail(signing["id"])]
    assert kinds[0] == "document.uploaded"
    assert kinds[-2:] == ["document.deletion_ordered", "document.destroyed"]
    assert {"signing.opened", "signing.prepared", "signing.value_accepted", "signing.completed"} <= set(kinds)


def test_retention_and_offboarding_have_their_rights(separated: Separated) -> None:
    other = separated.register("short")
    document = other.upload(SOUND["one_page"]()).json()["id"]
    separated.command("clients", "rotate", "short")
    separated.command("clients", "suspend", "short")
    separated.command("clients", "suspend", "short", "--resume")
    separated.command("clients", "offboard", "short", "--yes")
    with separated.database.connect() as connection:
        found = connection.execute("SELECT count(*) FROM document WHERE id = %s", (document,)).fetchone()
    assert found == (0,)


def test_the_sequencer_keeps_up(separated: Separated) -> None:
    with separated.database.connect() as connection:
        for _ in range(100):
            counts = connection.execute(
                "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM chain), pg_sleep(0.1)"
            ).fetchone()
            assert counts is not None
            if counts[0] == counts[1]:
                break
        assert counts[0] == counts[1] > 10
    separated.account.api.get("/health/ready").raise_for_status()


@pytest.mark.parametrize("role", ["web", "worker", "sequencer"])
def test_nobody_can_change_the_trail(separated: Separated, role: str) -> None:
    with separated.database.connect(separated.database.user_of(f"fts_{role}")) as connection:
        for statement in ("DELETE FROM event", "UPDATE event SET kind = 'x'", "DELETE FROM chain", "TRUNCATE event"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
