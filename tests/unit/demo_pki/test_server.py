"""The PKI over HTTP, its faults, and the threaded server."""

from datetime import timedelta
from threading import active_count
from time import monotonic

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus

from deploy.demo_pki.asgi import Receive, Scope, Send, respond
from deploy.demo_pki.pki import DemoPki
from deploy.demo_pki.server import DemoPkiApp, DemoServer, Fault
from timestamping.clock import utc_now


@pytest.fixture
def ocsp_request(pki: DemoPki) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        pki.signers["rsa3072"].certificate, pki.citizen_ca.certificate, hashes.SHA256()
    )
    return builder.build().public_bytes(Encoding.DER)


def test_certificates_and_crls_are_published(pki: DemoPki, http: httpx.Client) -> None:
    for issuer, authority in (
        ("root", pki.root),
        ("citizen", pki.citizen_ca),
        ("timestamping", pki.timestamping_ca),
    ):
        certificate = http.get(f"/ca/{issuer}.crt")
        assert certificate.headers["content-type"] == "application/pkix-cert"
        assert x509.load_der_x509_certificate(certificate.content) == authority.certificate
        crl = http.get(f"/crl/{issuer}.crl")
        assert crl.headers["content-type"] == "application/pkix-crl"
        assert x509.load_der_x509_crl(crl.content).issuer == authority.certificate.subject


def test_ocsp(http: httpx.Client, ocsp_request: bytes) -> None:
    response = http.post("/ocsp", content=ocsp_request)
    assert response.headers["content-type"] == "application/ocsp-response"
    assert ocsp.load_der_ocsp_response(response.content).certificate_status is OCSPCertStatus.GOOD


@pytest.mark.parametrize("path", ["/", "/ocsp/", "/crl/other.crl", "/ca/root.pem", "/tsa"])
def test_nothing_else_is_there(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/ocsp", "POST"), ("POST", "/crl/root.crl", "GET"), ("PUT", "/ca/root.crt", "GET")],
)
def test_wrong_methods(http: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = http.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed


def test_request_bodies_are_capped(http: httpx.Client) -> None:
    assert http.post("/ocsp", content=bytes(16 * 1024)).status_code == 200
    assert http.post("/ocsp", content=bytes(16 * 1024 + 1)).status_code == 413


def test_timestamping_is_delegated(pki: DemoPki) -> None:
    async def authority(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                event = (await receive())["type"]
                seen.append(event)
                await send({"type": f"{event}.complete"})
                if event == "lifespan.shutdown":
                    return
        seen.append(scope["path"])
        body = (await receive())["body"]
        await respond(send, 200, body[::-1], "application/timestamp-reply")

    seen: list[str] = []
    app = DemoPkiApp(pki, timestamping=authority)
    with DemoServer(app) as server:
        assert httpx.post(f"{server.url}/tsa", content=b"abcdef", trust_env=False).content == b"fedcba"
        app.faults["/tsa"] = Fault("truncated")
        assert httpx.post(f"{server.url}/tsa", content=b"abcdef", trust_env=False).content == b"fed"
        app.faults["/tsa"] = Fault("down")
        assert httpx.post(f"{server.url}/tsa", content=b"abcdef", trust_env=False).status_code == 503
    assert seen == ["lifespan.startup", "/tsa", "/tsa", "lifespan.shutdown"]


@pytest.mark.parametrize("path", ["/ocsp", "/crl/citizen.crl"])
def test_down_html_garbage(app: DemoPkiApp, http: httpx.Client, ocsp_request: bytes, path: str) -> None:
    method, content = ("POST", ocsp_request) if path == "/ocsp" else ("GET", b"")
    proper = http.request(method, path, content=content)

    app.faults[path] = Fault("down")
    assert http.request(method, path, content=content).status_code == 503
    app.faults[path] = Fault("html")
    page = http.request(method, path, content=content)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    app.faults[path] = Fault("garbage")
    garbage = http.request(method, path, content=content)
    assert (garbage.status_code, garbage.headers["content-type"]) == (200, proper.headers["content-type"])
    with pytest.raises(ValueError, match="parsing"):
        ocsp.load_der_ocsp_response(garbage.content)

    del app.faults[path]
    again = http.request(method, path, content=content)
    assert (again.status_code, again.headers["content-type"]) == (200, proper.headers["content-type"])


def test_truncated(app: DemoPkiApp, http: httpx.Client) -> None:
    whole = http.get("/crl/root.crl").content
    app.faults["/crl/root.crl"] = Fault("truncated")
    assert http.get("/crl/root.crl").content == whole[: len(whole) // 2]


def test_slow(app: DemoPkiApp, http: httpx.Client) -> None:
    app.faults["/ca/root.crt"] = Fault("slow", delay=0.15)
    start = monotonic()
    assert http.get("/ca/root.crt").status_code == 200
    assert monotonic() - start >= 0.15
    with pytest.raises(httpx.ReadTimeout):
        http.get("/ca/root.crt", timeout=0.05)


def test_huge(app: DemoPkiApp, http: httpx.Client, ocsp_request: bytes) -> None:
    app.faults["/ocsp"] = Fault("huge", size=1_000_001)
    with http.stream("POST", "/ocsp", content=ocsp_request) as response:
        assert "content-length" not in response.headers
        assert sum(map(len, response.iter_bytes())) == 1_000_001


def test_stale(app: DemoPkiApp, http: httpx.Client, ocsp_request: bytes) -> None:
    app.faults["/ocsp"] = app.faults["/crl/citizen.crl"] = Fault("stale", shift=timedelta(days=2))
    response = ocsp.load_der_ocsp_response(http.post("/ocsp", content=ocsp_request).content)
    age = utc_now() - response.this_update_utc
    assert timedelta(days=2) <= age < timedelta(days=2, minutes=1)
    crl = x509.load_der_x509_crl(http.get("/crl/citizen.crl").content)
    assert crl.next_update_utc is not None
    assert crl.next_update_utc < utc_now()


def test_stale_hides_a_later_revocation(pki: DemoPki, app: DemoPkiApp, http: httpx.Client) -> None:
    signer = pki.issue_signer("revoked-while-stale", "p256")
    pki.revoke(signer.certificate)
    request = ocsp.OCSPRequestBuilder().add_certificate(signer.certificate, pki.citizen_ca.certificate, hashes.SHA256())
    content = request.build().public_bytes(Encoding.DER)
    for fault, status in ((Fault("stale"), OCSPCertStatus.GOOD), (None, OCSPCertStatus.REVOKED)):
        app.faults.clear()
        if fault is not None:
            app.faults["/ocsp"] = fault
        response = ocsp.load_der_ocsp_response(http.post("/ocsp", content=content).content)
        assert response.certificate_status is status


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/ca/root.crt", Fault("stale")),
        ("/crl/root.crl", Fault("unknown")),
        ("/crl/root.crl", Fault("wrong_responder")),
    ],
)
def test_faults_without_effect_are_refused(app: DemoPkiApp, http: httpx.Client, path: str, fault: Fault) -> None:
    app.faults[path] = fault
    assert http.get(path).status_code == 500


def test_unknown(app: DemoPkiApp, http: httpx.Client, ocsp_request: bytes) -> None:
    app.faults["/ocsp"] = Fault("unknown")
    response = ocsp.load_der_ocsp_response(http.post("/ocsp", content=ocsp_request).content)
    assert response.certificate_status is OCSPCertStatus.UNKNOWN


def test_server_stops_and_frees_its_port_and_thread(pki: DemoPki) -> None:
    before = active_count()
    with DemoServer(DemoPkiApp(pki)) as server:
        url = server.url
        assert httpx.get(f"{url}/ca/root.crt", trust_env=False).status_code == 200
        with pytest.raises(OSError, match="in use"), DemoServer(DemoPkiApp(pki), port=int(url.rpartition(":")[2])):
            pass
    assert active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/ca/root.crt", trust_env=False)


def test_server_reports_an_application_that_does_not_start() -> None:
    async def broken(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no key"})

    before = active_count()
    with pytest.raises(RuntimeError, match="did not start"), DemoServer(broken):
        pass
    assert active_count() == before
