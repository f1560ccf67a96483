"""What the counter refuses, its headers, its languages, its settings and its process."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from demo_rp import limits
from demo_rp.app import create_app
from demo_rp.pages import HERE, LANGUAGES
from demo_rp.settings import Settings, SettingsError
from tests.unit.demo_rp.conftest import PDF, WEBHOOK_SECRET, Desk
from tests.unit.demo_rp.serving import free_port, serve

ENVIRONMENT = {
    "FTS_GATEWAY": "https://sign.example.eu",
    "FTS_CLIENT_ID": "demo",
    "FTS_CLIENT_SECRET": "the-secret",
    "FTS_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "DEMO_RP_DIR": "state",
}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:1"])
def test_a_form_of_another_site(desk: Desk, browser: httpx.Client, origin: str) -> None:
    """Cross-site request forgery: POST forms need our own Origin."""
    signing = desk.begun(browser)
    for path in ("/sign", f"/signings/{signing}/delete"):
        answer = browser.post(path, headers={"Origin": origin})
        assert (answer.status_code, "ORIGIN_REFUSED" in answer.text) == (403, True)
    del browser.headers["Origin"]
    assert browser.post(f"/signings/{signing}/delete").status_code == 403
    assert len(desk.gateway.documents) == 1


def test_the_cookie(desk: Desk, browser: httpx.Client) -> None:
    cookie = desk.begin(browser).headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={int(limits.KEPT.total_seconds())}"):
        assert part in cookie
    assert "Secure" not in cookie
    assert "set-cookie" not in browser.get("/").headers


def test_no_cookie_of_a_strangers_choice(desk: Desk, browsers: Callable[..., httpx.Client]) -> None:
    fixed = browsers(Cookie="demo_rp_browser=chosen-by-somebody")
    assert "chosen-by" not in desk.begin(fixed).headers["set-cookie"]


@pytest.mark.parametrize("path", ["/", "/signings", "/signings/none", "/return", "/nothing", "/static/style.css"])
def test_headers(desk: Desk, browser: httpx.Client, path: str) -> None:
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; ")
    assert f"form-action 'self' {desk.gateway.origin};" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


def test_behind_tls(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        ENVIRONMENT | {"DEMO_RP_URL": "https://demo.example.eu", "DEMO_RP_DIR": str(tmp_path)}, 1
    )
    with serve(create_app(settings), free_port()) as origin:
        answer = httpx.get(f"{origin}/?lang=fr", headers={"Host": "demo.example.eu"}, trust_env=False)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "Secure" in answer.headers["set-cookie"]


def test_another_host_name(browser: httpx.Client) -> None:
    """A name that was rebound to this machine gets nothing."""
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert browser.get("/health").text == "ok\n"


def test_pages_have_no_script_and_no_style_inside(desk: Desk, browser: httpx.Client) -> None:
    signing = desk.begun(browser)
    desk.gateway.finish(signing)
    for path in ("/", "/signings", f"/signings/{signing}", "/nothing"):
        text = browser.get(path).text
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", text), path


def test_an_upload_that_is_too_large(desk: Desk, browser: httpx.Client) -> None:
    """Nothing of it reaches the gateway; the body is read to its end, so that the browser sees the answer."""
    size = limits.UPLOAD_BYTES + limits.FORM_BYTES + 1
    answer = desk.begin(browser, b"%PDF-" + bytes(size - 5))
    assert (answer.status_code, "UPLOAD_TOO_LARGE" in answer.text) == (413, True)
    assert desk.gateway.requests == []


def test_a_large_upload_streams(desk: Desk, browser: httpx.Client) -> None:
    content = PDF + bytes(20 * 1024 * 1024)
    signing = desk.begun(browser, content)
    desk.gateway.finish(signing)
    page = browser.get(f"/signings/{signing}").text
    assert page.count('<li class="good">') == 2
    [put] = [headers for method, _, headers in desk.gateway.requests if method == "PUT"]
    assert put["content-length"] == str(len(content))
    assert "transfer-encoding" not in put


def test_a_form_that_is_no_form(browser: httpx.Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = browser.post("/sign", content=b"--b\r\nnonsense", headers=headers)
    assert (answer.status_code, "REQUEST_INVALID" in answer.text) == (400, True)


def test_the_gateway_is_down(settings: Settings) -> None:
    down = Settings.from_environment(
        ENVIRONMENT | {"FTS_GATEWAY": f"http://127.0.0.1:{free_port()}", "DEMO_RP_DIR": str(settings.directory)},
        port := free_port(),
    )
    with (
        serve(create_app(down), port) as origin,
        httpx.Client(base_url=origin, trust_env=False, headers={"Origin": origin}) as browser,
    ):
        files = {"file": ("a.pdf", PDF, "application/pdf")}
        answer = browser.post("/sign", data={"language": "nl"}, files=files, headers={"Accept-Language": "nl"})
        assert (answer.status_code, "GATEWAY_UNREACHABLE" in answer.text) == (503, True)
        assert "De gateway antwoordt niet" in answer.text
        assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    ("accepted", "language"), [("fr-BE,fr;q=0.9", "fr"), ("DE", "de"), ("ja, nl;q=0.5", "nl"), ("ja", "en"), ("", "en")]
)
def test_the_language_of_the_browser(browser: httpx.Client, accepted: str, language: str) -> None:
    page = browser.get("/", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in page.text
    assert page.headers["content-language"] == language


def test_a_chosen_language_stays(browser: httpx.Client) -> None:
    assert '<html lang="de">' in browser.get("/?lang=de", headers={"Accept-Language": "fr"}).text
    assert '<html lang="de">' in browser.get("/signings", headers={"Accept-Language": "fr"}).text
    assert '<html lang="de">' in browser.get("/?lang=xx", headers={"Accept-Language": "fr"}).text


def test_every_text_is_there_in_every_language() -> None:
    texts = json.loads((HERE / "texts.json").read_text("utf-8"))
    for key, versions in texts.items():
        assert list(versions) == list(LANGUAGES), key
        assert all(text.strip() and "\u2014" not in text for text in versions.values()), key
    templates = "".join(path.read_text("utf-8") for path in (HERE / "templates").iterdir())
    used = set(re.findall(r"""\bt\(["']([a-z0-9_.]+)["']\)""", templates))
    assert len(used) > 40
    assert used <= set(texts)
    unused = {key for key in texts if not key.startswith(("problem.", "state.", "headline.", "explain.", "check."))}
    assert unused - used == {"format.time"}
    raised = set(re.findall(r'"([A-Z]+_[A-Z_]+)"', "".join(path.read_text("utf-8") for path in HERE.glob("*.py"))))
    told = {key.split(".")[1] for key in texts if key.count(".") == 2}
    codes = {code for code in raised if not code.startswith(("FTS_", "DEMO_"))}
    assert told == {code for code in codes if not code.endswith("_LTA")}, "names of profiles are no errors"


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_a_setting_is_missing(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({**ENVIRONMENT, name: " "}, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FTS_GATEWAY", "http://sign.example.eu"),
        ("FTS_GATEWAY", "https://sign.example.eu/v1"),
        ("FTS_GATEWAY", "https://user@sign.example.eu"),
        ("FTS_GATEWAY", "ftp://127.0.0.1"),
        ("FTS_GATEWAY", "https://[::1"),
        ("DEMO_RP_URL", "sign.example.eu"),
        ("FTS_WEBHOOK_SECRET", WEBHOOK_SECRET.removeprefix("whsec_")),
        ("FTS_WEBHOOK_SECRET", "whsec_" + base64.b64encode(bytes(23)).decode()),
        ("FTS_WEBHOOK_SECRET", "whsec_***"),
    ],
)
def test_a_setting_that_cannot_be_used(name: str, value: str) -> None:
    """FTS-SEC-1: credentials go over TLS, or stay on this machine."""
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({**ENVIRONMENT, name: value}, 1)


def test_settings_do_not_print_secrets() -> None:
    shown = repr(Settings.from_environment(ENVIRONMENT, 8090))
    assert "the-secret" not in shown
    assert "webhook_secret" not in shown
    assert "http://127.0.0.1:8090" in shown


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | ENVIRONMENT | {"DEMO_RP_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-m", "demo_rp", "--port", str(free_port())]
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        yield started
        if started.poll() is None:
            started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_is_and_stops_cleanly(process: subprocess.Popen[str], number: int) -> None:
    """FTS-ENV-2."""
    assert process.stdout is not None
    ready = process.stdout.readline().strip()
    assert ready == f"demo relying party ready on http://127.0.0.1:{list(process.args)[-1]}"
    with httpx.Client(trust_env=False) as browser:
        assert browser.get(ready.rpartition(" ")[2] + "/health").status_code == 200
        process.send_signal(number)
        output, errors = process.communicate(timeout=15)
    assert (process.returncode, output, errors) == (0, "", "")


def test_the_process_names_what_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FTS_", "DEMO_RP_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "demo_rp"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "FTS_GATEWAY is not set; see python -m demo_rp --help\n"
    told = subprocess.run([sys.executable, "-m", "demo_rp", "--help"], capture_output=True, text=True, check=True)
    assert all(name in told.stdout for name in (*ENVIRONMENT, "DEMO_RP_URL", "DEMO_RP_SAMPLES", "--port"))


def test_it_stands_apart() -> None:
    """FTS-ENV-2: it knows the public API only, and whoever copies it needs four libraries."""
    imports = set()
    for path in HERE.glob("*.py"):
        imports |= set(re.findall(r"^(?:from|import) (\w+)", path.read_text("utf-8"), re.MULTILINE))
    assert imports - set(sys.stdlib_module_names) == {"demo_rp", "httpx", "jinja2", "starlette", "uvicorn"}
