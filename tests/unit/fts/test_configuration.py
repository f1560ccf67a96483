"""The configuration: what is wrong is said at the start, all of it (FTS-SEC-1, design sections 6 and 10)."""

import base64
import json
import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from fts.configuration import load
from fts.document_tasks import settings_from
from fts.errors import RefusalError
from fts.frames import receive
from fts.process_pool import _configuration
from fts.tsa_messages import message_of, tsa_of
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
DATABASE = 'database = "postgresql+psycopg://{}"\n'
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


LIST = """
[[tsas]]
url = "https://tsa-one.example/"
policy = "0.4.0.2023.1.1"
requests = 20
seconds = 1200
anchors = "tsa.pem"
qualified_required = true
connect_seconds = 1.5
attempt_seconds = 4
auth = AUTH
[[tsas]]
url = "http://tsa-two.example/tsr"
"""
BASIC = '{kind = "basic", user = "fts", secret_file = "tsa.secret"}'
BEARER = '{kind = "bearer", secret_env = "TSA_SECRET"}'
FIELD = '{kind = "header", name = "X-Api-Key", secret_file = "tsa.secret"}'


def listed(tmp_path: Path, auth: str, more: str = "", **others: str) -> Path:
    """Write a configuration with one list of authorities, in which the first has everything that one can have."""
    path = written(tmp_path, more=more + LIST.replace("AUTH", auth), **others)
    path.write_text(path.read_text().replace('tsa_url = "https://tsa.example/"\n', ""))
    return path


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (BASIC, ("authorization", "Basic " + base64.b64encode(b"fts:open sesame").decode())),
        (BEARER, ("authorization", "Bearer from-the-environment")),
        (FIELD, ("X-Api-Key", "open sesame")),
    ],
)
def test_one_list_of_authorities(
    tmp_path: Path, auth: str, header: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FTS-TS-2: the first of them can have all that the others can, and each its own secret, anchors and times."""
    monkeypatch.setenv("TSA_SECRET", "from-the-environment")
    root, own = authority("Root").certificate, authority("Timestamps").certificate
    (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (tmp_path / "tsa.pem").write_bytes(own.public_bytes(Encoding.PEM))
    (tmp_path / "tsa.secret").write_text("open sesame\n")
    configuration = load(listed(tmp_path, auth))
    settings = configuration.engine_settings()
    assert settings.tsas == (
        TsaSettings(
            "https://tsa-one.example/",
            "0.4.0.2023.1.1",
            Rate(20, 1200.0),
            header=header,
            anchors=(own,),
            connect_seconds=1.5,
            attempt_seconds=4.0,
            qualified_required=True,
        ),
        TsaSettings("http://tsa-two.example/tsr"),
    )
    sent = json.loads(json.dumps([message_of(tsa) for tsa in settings.tsas]))
    assert tuple(tsa_of(message) for message in sent) == settings.tsas
    for shown in (repr(configuration), repr(settings)):
        assert header[1] not in shown


@pytest.mark.parametrize("secret", [None, "", "two\tparts", "ü", "\nsecond line"])
def test_a_secret_that_is_none(tmp_path: Path, secret: str | None) -> None:
    (tmp_path / "root.pem").write_bytes(authority("Root").certificate.public_bytes(Encoding.PEM))
    (tmp_path / "tsa.pem").write_bytes((tmp_path / "root.pem").read_bytes())
    if secret is not None:
        (tmp_path / "tsa.secret").write_text(secret)
    with pytest.raises(RefusalError, match=r"auth\.secret_file: .*tsa\.secret") as caught:
        load(listed(tmp_path, BASIC)).engine_settings()
    assert caught.value.code == "CONFIGURATION_INVALID"
    assert not secret or secret.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("auth", "fault"),
    [
        (BASIC.replace('user = "fts", ', ""), "user: stands with kind = basic"),
        (BASIC.replace('"fts"', '"f:s"'), "user"),
        (FIELD.replace("X-Api-Key", "Content-Length"), "Content-Length is the client's own"),
        (FIELD.replace("X-Api-Key", "a: b"), "name"),
        (BEARER.replace(', secret_env = "TSA_SECRET"', ""), "secret_file or secret_env"),
        (BEARER.replace("bearer", "digest"), "kind"),
    ],
)
def test_ways_to_authenticate_that_are_none(tmp_path: Path, auth: str, fault: str) -> None:
    with pytest.raises(RefusalError, match=fault):
        load(listed(tmp_path, auth))


def test_no_secret_in_the_clear_in_prod(tmp_path: Path) -> None:
    """FTS-SEC-3: a secret goes over TLS only."""
    path = listed(tmp_path, BASIC, KEYS + MAIL + TOKEN, environment="PROD")
    load(path)
    path.write_text(path.read_text().replace("https://tsa-one", "http://tsa-one"))
    with pytest.raises(RefusalError, match="over TLS only"):
        load(path)


def test_one_way_to_name_them(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="tsas: needed"):
        load(written(tmp_path, more=LIST.replace("AUTH", BASIC)))
    path = written(tmp_path)
    path.write_text(path.read_text().replace('tsa_url = "https://tsa.example/"\n', ""))
    with pytest.raises(RefusalError, match="tsas: needed"):
        load(path)
    with pytest.raises(RefusalError, match="further_tsas: stand behind tsa_url"):
        load(listed(tmp_path, BASIC, '[[further_tsas]]\nurl = "https://three.example/"\n'))
    path = listed(tmp_path, BASIC)
    path.write_text(path.read_text().replace("http://tsa-two.example/tsr", "https://tsa-one.example/"))
    with pytest.raises(RefusalError, match="tsas: an authority stands there twice"):
        load(path)


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
        ({"environment": "PROD", "more": KEYS + 'backup_places = ["BE", "US"]' + MAIL}, "FTS-GDPR-7"),
        ({"environment": "PROD", "more": KEYS + DATABASE.format("db.example/fts") + MAIL}, "verify-full"),
        ({"environment": "PROD", "more": KEYS + DATABASE.format("db.example/fts?sslmode=require") + MAIL}, "SEC-3"),
        ({"environment": "PROD", "more": KEYS + DATABASE.format("/fts?host=192.0.2.1") + MAIL}, "verify-full"),
        (
            {"environment": "PROD", "more": KEYS + MAIL + '[databases]\nweb = "postgresql+psycopg://db.example/fts"'},
            "verify-full",
        ),
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


@pytest.mark.parametrize("where", ["db.example/fts?sslmode=verify-full", "/fts?host=/run/postgresql", "127.0.0.1/fts"])
def test_databases_that_are_good_in_production(tmp_path: Path, where: str) -> None:
    """FTS-SEC-3: over TLS with a verified certificate, or on this machine."""
    more = KEYS + DATABASE.format(where) + MAIL + TOKEN
    assert load(written(tmp_path, environment="PROD", more=more)).database_url("web").endswith(where)


def test_trust_anchors_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    configuration = load(written(tmp_path))
    with pytest.raises(RefusalError, match="trust_anchors"):
        configuration.engine_settings()
