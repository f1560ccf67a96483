"""Signings on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from fts.documents.schemas import DOCUMENT_ID, Printable, ProblemView, RepairView, Time
from fts.documents.service import Document
from fts.profiles.registry import ProfileName
from fts.services import Services
from fts.signings.service import Order, signing_url
from fts.signings.states import State
from fts.signings.store import Signing

_ID = "5f0c9a1e7b3d4c2f8e6a0b1c2d3e4f50"
_CREATED: dict[str, JsonValue] = {
    "id": _ID,
    "state": "created",
    "document": "contract-2026-17",
    "profile": "PADES_LTA",
    "return_url": "https://counter.example/return",
    "signing_url": f"https://sign.example/sign/{_ID}#k3Hc0T9yqf5mJ1vXwZb2nL7rPdQeUsGaBoCiDjEkFlM",
    "created_at": "2026-11-24T08:00:00.000Z",
    "deadline": "2026-11-24T10:00:00.000Z",
    "problem": None,
    "signer": None,
    "result": None,
    "repair": None,
}


class AllowedSigner(BaseModel):
    """Who may sign."""

    model_config = ConfigDict(extra="forbid")

    identification_number: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")] = Field(
        description="the serialNumber in the subject of the signer's certificate"
    )


class SigningOrder(BaseModel):
    """What a client asks for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "document": "contract-2026-17",
                    "profile": "PADES_LTA",
                    "return_url": "https://counter.example/return",
                    "state": "af0ifjsldkj",
                    "language": "nl",
                },
                {
                    "document": "invoice-2026-18",
                    "profile": "XADES_LTA",
                    "return_url": "https://counter.example/return",
                },
                {
                    "document": "scan-2026-19",
                    "profile": "ASIC_E_XADES_LTA",
                    "return_url": "https://counter.example/return",
                },
            ]
        },
    )

    document: Annotated[str, StringConstraints(pattern=DOCUMENT_ID)]
    profile: ProfileName = Field("PADES_LTA", description="one of the agreed ones; it must accept the document's type")
    return_url: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="one of the registered return URLs, octet for octet"
    )
    state: Annotated[Printable, StringConstraints(max_length=512)] | None = Field(
        None, description="opaque; comes back with the signer"
    )
    language: Literal["nl", "fr", "de", "en"] | None = Field(None, description="of the page; by default the browser's")
    signer: AllowedSigner | None = Field(None, description="only this person may sign")
    expires_in: Annotated[int, Field(strict=True, ge=60, le=432_000)] = Field(
        7200, description="seconds that the signer has"
    )

    def order(self) -> Order:
        """Return it as the service takes it."""
        return Order(
            document=self.document,
            profile=self.profile,
            return_url=self.return_url,
            state=self.state,
            language=self.language,
            identification_number=self.signer.identification_number if self.signer else None,
            expires_in=self.expires_in,
        )


class SignerView(BaseModel):
    """Who signed, or is about to, by the certificate."""

    name: str | None
    identification_number: str | None


class ResultView(BaseModel):
    """The signed document."""

    sha256: str
    size: int = Field(description="octets")
    level: str = Field(description="level that was reached: B, T, LT or LTA")
    signed_at: Time | None = Field(description="time of the signature timestamp")
    archived_at: Time | None = Field(description="time of the archive timestamp")


class SigningView(BaseModel):
    """A signing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CREATED]})

    id: str
    state: str = Field(
        description="`created`, `opened`, `prepared`, `finishing`; ends: `completed`, `declined`, `cancelled`, "
        "`failed`, `expired`"
    )
    document: str
    profile: str = Field(description="what was asked for: it tells the media type of the result")
    return_url: str
    signing_url: str = Field(description="for the signer's browser; whoever has it can open the signing")
    created_at: Time
    deadline: Time = Field(description="until when a signature is accepted")
    problem: ProblemView | None
    signer: SignerView | None
    result: ResultView | None
    repair: RepairView | None

    @classmethod
    def of(cls, services: Services, signing: Signing, document: Document) -> "SigningView":
        """Return the view of a signing as it is."""
        accepted = signing.state in (State.FINISHING, State.COMPLETED)
        return cls(
            **cls._fixed(services, signing),
            state=signing.state.public,
            problem=ProblemView(**signing.personal.problem) if signing.personal.problem else None,
            signer=SignerView(name=signing.personal.signer_name, identification_number=signing.personal.signer_number)
            if accepted
            else None,
            result=_result(signing),
            repair=_repair(document),
        )

    @classmethod
    def created(cls, services: Services, signing: Signing, document: Document) -> "SigningView":
        """Return the view of a signing as it was when it was created: the answer that a repeated request gets."""
        return cls(
            **cls._fixed(services, signing),
            state=State.CREATED.value,
            problem=None,
            signer=None,
            result=None,
            repair=_repair(document),
        )

    @staticmethod
    def _fixed(services: Services, signing: Signing) -> dict[str, Any]:
        return {
            "id": signing.id,
            "document": signing.document_id,
            "profile": signing.profile,
            "return_url": signing.personal.return_url,
            "signing_url": signing_url(services, signing),
            "created_at": signing.created_at,
            "deadline": signing.deadline,
        }


def _repair(document: Document) -> RepairView | None:
    return None if document.repair is None else RepairView(**document.repair)


def _result(signing: Signing) -> ResultView | None:
    if signing.result_sha256 is None or signing.result_size is None or signing.level is None:
        return None
    return ResultView(
        sha256=signing.result_sha256.hex(),
        size=signing.result_size,
        level=signing.level,
        signed_at=signing.signed_at,
        archived_at=signing.archived_at,
    )
