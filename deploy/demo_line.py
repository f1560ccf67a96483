"""What the demo consists of, beside its PKI and card: a gateway with one account, a card agent, a relying party.

DIR/ports.json          where each part listens
DIR/gateway/            configuration, clients, master key, database, objects and their keys
DIR/relying-party.env   the account, its secrets and addresses
DIR/card.json           the card's PIN counter
DIR/logs/               what the processes print
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.demo_documents import demo_documents
from deploy.demo_pki.server import LOOPBACK
from deploy.demo_stack import SIGNER, DemoStack, DemoStackError, demo_stack, free_port, is_free
from deploy.processes import Service

CLIENT: Final = "demo-municipality"
ENVIRONMENT: Final = "TA"

_PARTS: Final = ("gateway", "agent", "counter")

_CONFIGURATION: Final = """\
# The demo's gateway: everything in it is for demonstration.
environment = "{environment}"
operator = "Demo trust service"
public_url = "{gateway}"
data = "data"
master_key = "master.key"
trust_anchors = "root.pem"
tsa_url = "{tsa}"
allowed_urls = ["{pki}"]
card_agent = "{agent}"
{limits}"""


_CLIENT: Final = """\
# What is agreed with the demo's relying party.
id = "{id}"
name = "Demo municipality"
help_address = "mailto:help@demo-municipality.example"
contacts = [{{ name = "Duty officer", mail = "security@demo-municipality.example", role = "security" }}]
bucket = "{id}"
agreement = "Demo agreement 1"
agreed_on = "2026-11-01"
return_urls = ["{counter}/return"]
profiles = ["PADES_LTA", "XADES_LTA", "ASIC_E_XADES_LTA"]
webhook_url = "{counter}/webhook"
"""

_FORM: Final = "3"
"""Of what is kept in DIR/gateway; another form is made anew."""


@dataclass(frozen=True, slots=True)
class DemoLine:
    """The demo's parts, made and ready to start."""

    directory: Path
    stack: DemoStack
    ports: dict[str, int]

    @property
    def gateway_url(self) -> str:
        """Where browsers and clients reach the gateway; another host name than the other parts have."""
        return f"http://localhost:{self.ports['gateway']}"

    @property
    def agent_url(self) -> str:
        """The card agent."""
        return f"http://{LOOPBACK}:{self.ports['agent']}"

    @property
    def counter_url(self) -> str:
        """The relying party: where a person begins."""
        return f"http://{LOOPBACK}:{self.ports['counter']}"

    @property
    def account_file(self) -> Path:
        """The relying party's account."""
        return self.directory / "relying-party.env"

    @property
    def pin_counter(self) -> Path:
        """The card's PIN counter."""
        return self.directory / "card.json"

    @property
    def logs(self) -> Path:
        """What the processes print."""
        return self.directory / "logs"

    @property
    def configuration(self) -> Path:
        """The gateway's configuration."""
        return self.directory / "gateway" / "gateway.toml"

    def services(self) -> list[Service]:
        """Return the processes, in the order of their start."""
        python = sys.executable
        gateway = [python, "-m", "fts.cli"]
        config = ["--config", str(self.configuration)]
        agent = [
            *(python, "-m", "deploy.demo_card", "serve", "--token", str(self.directory / "token")),
            *("--state", str(self.pin_counter), "--port", str(self.ports["agent"]), "--signer", SIGNER),
            *("--origin", self.gateway_url, "--environment", ENVIRONMENT),
        ]
        web = [*gateway, "web", *config, "--port", str(self.ports["gateway"])]
        counter = [python, "-m", "demo_rp", "--port", str(self.ports["counter"])]
        log = self.logs
        return [
            Service("the gateway's worker", [*gateway, "worker", *config], "worker ready", log / "worker.log"),
            Service(
                "the trail's sequencer", [*gateway, "sequencer", *config], "sequencer ready", log / "sequencer.log"
            ),
            Service("the gateway's web process", web, "web ready", log / "web.log"),
            Service("the card agent", agent, "card agent ready", log / "agent.log"),
            Service("the relying party", counter, "demo relying party ready", log / "counter.log", self._account()),
        ]

    def _account(self) -> dict[str, str]:
        lines = self.account_file.read_text(encoding="utf-8").splitlines()
        return {
            **dict(line.split("=", 1) for line in lines if "=" in line),
            "DEMO_RP_URL": self.counter_url,
            "DEMO_RP_DIR": str(self.directory / "counter"),
            "DEMO_RP_SAMPLES": str(self.directory / "samples"),
        }


@contextmanager
def demo_line(directory: Path, *, limits: str = "") -> Iterator[DemoLine]:
    """Give the demo's line in `directory`, made as far as it is missing, with its PKI served.

    Raises:
        DemoStackError: it cannot be made, or its ports are taken.
    """
    with demo_stack(directory, shared=True) as stack:
        line = DemoLine(directory, stack, _ports(directory / "ports.json"))
        for part in _PARTS:
            if not is_free(line.ports[part]):
                raise DemoStackError(
                    f"Another program uses port {line.ports[part]} (the demo may be running already): stop that one."
                )
        for folder in (line.logs, directory / "counter", directory / "samples"):
            folder.mkdir(exist_ok=True)
        for name, content in demo_documents():
            (directory / "samples" / name).write_bytes(content)
        form = line.configuration.parent / "form"
        if not line.account_file.exists() or not form.exists() or form.read_text() != _FORM:
            _make_gateway(line, limits)
            form.write_text(_FORM)
        yield line


def _ports(path: Path) -> dict[str, int]:
    """Return the ports, chosen at the first use, so that links from before a restart still work."""
    if not path.exists():
        path.write_text(json.dumps({part: free_port() for part in _PARTS}))
    ports: dict[str, int] = json.loads(path.read_text())
    return ports


def _make_gateway(line: DemoLine, limits: str) -> None:
    """Make configuration, database and account; what an interrupted run left is made anew."""
    folder = line.configuration.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / "root.pem").write_bytes(line.stack.root_pem)
    line.configuration.write_text(
        _CONFIGURATION.format(
            environment=ENVIRONMENT,
            gateway=line.gateway_url,
            tsa=line.stack.tsa_url,
            pki=line.stack.pki.base_url,
            agent=line.agent_url,
            limits=f"\n[limits]\n{limits}" if limits else "",
        )
    )
    _fts("migrate", "--config", str(line.configuration))
    clients = folder / "clients"
    clients.mkdir()
    (clients / f"{CLIENT}.toml").write_text(_CLIENT.format(id=CLIENT, counter=line.counter_url))
    printed = _fts("clients", "apply", str(clients), "--yes", "--config", str(line.configuration))
    made = json.loads(printed)
    values = {
        "FTS_GATEWAY": line.gateway_url,
        "FTS_CLIENT_ID": made["client_id"],
        "FTS_CLIENT_SECRET": made["secret"],
        "FTS_WEBHOOK_SECRET": made["webhook_secret"],
        "FTS_RETURN_URL": f"{line.counter_url}/return",
    }
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    fresh = line.account_file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(text)
    fresh.rename(line.account_file)


def _fts(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "fts.cli", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoStackError(f"fts {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout
