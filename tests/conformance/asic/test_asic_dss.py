"""EU DSS as producer of containers: verified and extended by us, ours extended by it (FTS-SIG-5, FTS-SIG-8)."""

import pytest

from signing.asic.ports import Container
from signing.ports import Level, Profile
from tests.conformance.asic.conftest import ContainerJudge, DssContainers
from tests.support.asic import extend_container, sign_again, sign_container, verify_container
from tests.support.line import Line

FILES = {
    Container.ASIC_E: {"a.xml": b"<a/>", "letter \u00e9 + 100%.bin": bytes(range(256)) * 50, "empty.txt": b""},
    Container.ASIC_S: {"letter \u00e9 + 100%.bin": bytes(range(256)) * 50},
}


@pytest.mark.parametrize("level", list(Level), ids=str)
@pytest.mark.parametrize("container", list(Container), ids=str)
def test_we_read_and_extend_what_dss_signs(
    dss: DssContainers, full_line: Line, container_judge: ContainerJudge, container: Container, level: Level
) -> None:
    signed = dss.sign(FILES[container], container, level)
    report = verify_container(full_line, signed)
    findings = [each for s in report.signatures for each in (*s.problems, *s.notes)]
    assert (report.valid, report.level) == (True, level), (report.problems, findings)
    longer, extended = extend_container(full_line, signed)
    assert extended.incomplete == ()
    assert verify_container(full_line, longer).level is Level.LTA
    count = 3 if level is Level.LTA else 2
    assert container_judge(longer).verdict("LTA", timestamps=count, form="XAdES") == []


@pytest.mark.parametrize("level", [Level.B, Level.LTA], ids=str)
@pytest.mark.parametrize("container", list(Container), ids=str)
def test_dss_extends_what_we_sign(
    dss: DssContainers, full_line: Line, container_judge: ContainerJudge, container: Container, level: Level
) -> None:
    signed = sign_container(full_line, FILES[container], container, profile=Profile(level)).data
    longer = dss.extend(signed, container)
    count = 3 if level is Level.LTA else 2
    assert container_judge(longer).verdict("LTA", timestamps=count, form="XAdES") == []
    report = verify_container(full_line, longer)
    findings = [each for s in report.signatures for each in (*s.problems, *s.notes)]
    assert (report.valid, report.level) == (True, Level.LTA), (report.problems, findings)


@pytest.mark.parametrize("container", list(Container), ids=str)
def test_each_signs_beside_the_other(
    dss: DssContainers, full_line: Line, container_judge: ContainerJudge, container: Container
) -> None:
    ours = sign_container(full_line, FILES[container], container, signer="p384").data
    theirs_beside = dss.sign({f"container{container.suffix}": ours}, container, Level.LTA)
    theirs = dss.sign(FILES[container], container, Level.LTA)
    ours_beside = sign_again(full_line, theirs).data
    for both in (theirs_beside, ours_beside):
        assert container_judge(both).verdict("LTA", signatures=2, timestamps=4, form="XAdES") == []
        report = verify_container(full_line, both)
        assert (report.valid, [s.level for s in report.signatures]) == (True, [Level.LTA] * 2), report.problems


def test_renewed_again_and_again(full_line: Line, container_judge: ContainerJudge) -> None:
    data = sign_container(full_line, FILES[Container.ASIC_E]).data
    data = sign_again(full_line, data).data
    for _ in range(2):
        data, extended = extend_container(full_line, data)
        assert (len(extended.archived), extended.incomplete) == (2, ())
    assert container_judge(data).verdict("LTA", signatures=2, timestamps=8, form="XAdES") == []
    assert verify_container(full_line, data).level is Level.LTA
