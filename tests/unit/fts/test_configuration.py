"""The configuration: what is wrong is said at the start, all of it (FTS-SEC-1, design sections 6 and 10)."""

import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fts.configuration import load
from fts.document_tasks import settings_from
from fts.errors import RefusalError
from fts.frames import receive
from fts.process_pool import _configuration
from tests.unit.signing.issuing import authority
from timestamping.client.settings import Rate, TsaSettings

SOUND = """
environment = "{environment}"
operator = "Operator"
public_url = "{url}"
data = "data"
master_key = "master.key"
trust_anchors = "root.pem"
tsa_url = "https://tsa.example/"
{more}
"""


KEYS = 'key_store = "../keys"\n'
MAIL = """
[mail]
host = "mail.example"
sender = "fts@gateway.example"
operators = ["duty@gateway.example"]
"""
TOKEN = """
[master_key_token]
module = "/usr/lib/token.so"
token = "FTS"
label = "master"
pin_file = "pin"
"""
S3 = """
[objects]
endpoint = "store.example:443"
credentials = "store.json"
place = "{place}"
secure = {secure}
"""


def written(directory: Path, *, environment: str = "TA", url: str = "https://sign.example", more: str = "") -> Path:
    path = directory / "gateway.toml"
    path.write_text(SOUND.format(environment=environment, url=url, more=more))
    return path


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    configuration = load(written(tmp_path, more="[limits]\ndocument_bytes = 1000"))
    assert configuration.data == tmp_path / "data"
    assert configuration.limits.document_bytes == 1000
    assert configuration.limits.json_bytes == 65536


FURTHER = """
[[further_tsas]]
url = "http://tsa-two.example/tsr"
policy = "0.4.0.2023.1.1"
requests = 20
seconds = 1200
[[further_tsas]]
url = "https://tsa-three.example/"
"""


def test_authorities_in_their_order_reach_the_document_processes(tmp_path: Path) -> None:
    """FTS-TS-2: what the operator named is what the process that signs asks."""
    configuration = load(written(tmp_path, more=FURTHER))
    (tmp_path / "root.pem").write_bytes(authority("Root").certificate.public_bytes(Encoding.PEM))
    settings = configuration.engine_settings()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(_configuration(settings))
        sent = receive(theirs)
    assert sent is not None
    assert settings_from(sent) == settings
    assert settings.tsas == (
        TsaSettings("https://tsa.example/"),
        TsaSettings("http://tsa-two.example/tsr", "0.4.0.2023.1.1", Rate(20, 1200.0)),
        TsaSettings("https://tsa-three.example/"),
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"environment": "PROD", "more": 'card_agent = "http://127.0.0.1:1"'}, "demo card is refused in PROD"),
        ({"environment": "PROD", "url": "http://localhost:8080", "more": KEYS + MAIL + TOKEN}, "https://"),
        ({"more": '[[further_tsas]]\nurl = "https://tsa.example/"'}, "stands there twice"),
        ({"more": '[[further_tsas]]\nurl = "ftp://tsa.example/"'}, "further_tsas"),
        ({"more": '[[further_tsas]]\nurl = "https://two.example/"\npolicy = "mine"'}, "further_tsas"),
        ({"environment": "PROD", "more": MAIL}, "FTS-GDPR-1"),
        ({"environment": "PROD", "more": 'key_store = "data/keys"' + MAIL}, "FTS-GDPR-1"),
        ({"environment": "PROD", "more": KEYS}, "FTS-GDPR-6"),
        ({"environment": "PROD", "more": KEYS + MAIL + "starttls = false"}, "FTS-GDPR-6"),
        ({"environment": "PROD", "more": KEYS + 'place = "US"' + MAIL}, "FTS-GDPR-7"),
        ({"environment": "PROD", "more": KEYS + S3.format(place="US", secure="true") + MAIL}, "FTS-GDPR-7"),
        ({"environment": "PROD", "more": KEYS + S3.format(place="BE", secure="false") + MAIL}, "FTS-SEC-3"),
        ({"environment": "PROD", "more": KEYS + MAIL}, "master_key_token"),
        ({"more": TOKEN.replace("label", "table")}, "master_key_token"),
        ({"url": "http://sign.example"}, "https://"),
        ({"url": "http://localhost.evil.example"}, "https://"),
        ({"url": "https://sign.example/"}, "slash"),
        ({"environment": "LIVE"}, "environment"),
        ({"more": "surprise = 1"}, "surprise"),
        ({"more": "[limits]\nsurprise = 1"}, "surprise"),
        ({"more": "not toml"}, "gateway.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, str], fault: str) -> None:
    with pytest.raises(RefusalError, match=fault) as caught:
        load(written(tmp_path, **change))
    assert caught.value.code == "CONFIGURATION_INVALID"


def test_trust_anchors_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    configuration = load(written(tmp_path))
    with pytest.raises(RefusalError, match="trust_anchors"):
        configuration.engine_settings()
