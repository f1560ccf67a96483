"""`python -m deploy.demo_sign`: any files, good and bad, in one call."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo_forms import PDF, Names
from tests.e2e.conftest import REPOSITORY, SECONDS, Run, User

LINE = re.compile(r"\[ *(\d+)/(\d+)\] (signed |refused) (.*)")
UNGUARDED_KEY = "The timestamping unit's key lies in this process's memory: for development and tests only.\n"
"""What the demo's authority says at its start."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this module's own demo lives; the first call makes it."""
    return tmp_path_factory.mktemp("demo_sign") / "demo"


def command(demo: Path, output: Path, *arguments: str | Path) -> list[str]:
    options = ("--demo", str(demo), "--output", str(output))
    return [sys.executable, "-m", "deploy.demo_sign", *options, *map(str, arguments)]


def demo_sign(demo: Path, output: Path, *arguments: str | Path) -> Run:
    return subprocess.run(
        command(demo, output, *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
    )


def lines_of(done: Run, total: int) -> dict[str, str]:
    """Check the count of each line; return verdict and text by the file's name."""
    found = [LINE.fullmatch(line) for line in done.stdout.splitlines()[:total]]
    matches = [match for match in found if match]
    assert [int(match[1]) for match in matches] == list(range(1, total + 1)), done.stdout
    assert {int(match[2]) for match in matches} == {total}
    return {re.split(": | -> ", match[4])[0]: f"{match[3].strip()} {match[4]}" for match in matches}


@pytest.fixture(scope="module")
def mixed(demo: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, list[Path]]:
    """One call with every kind of file: what it said, where the results are, what it was given."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "again").mkdir()
    shutil.copy(documents / "letter.pdf", folder / "again" / "sound.pdf")
    shutil.copy(documents / "letter.pdf", folder / "name with space.PDF")
    shutil.copy(documents / "letter.pdf", folder / "-x \u00e9\x1b[31m.pdf")
    files = [
        *(documents / name for name in ("sound.pdf", "damaged.pdf", "encrypted.pdf", "empty.pdf", "text.pdf")),
        *(folder / "name with space.PDF", folder / "again" / "sound.pdf", folder / "missing.pdf", folder),
        folder / "-x \u00e9\x1b[31m.pdf",
    ]
    output = folder / "results"
    return demo_sign(demo, output, "--", *files), output, files


def test_each_file_has_its_line(mixed: tuple[Run, Path, list[Path]]) -> None:
    done, output, files = mixed
    assert done.returncode == 1
    assert done.stderr == UNGUARDED_KEY
    lines = lines_of(done, len(files))
    expected = {
        files[0]: f"signed {files[0]} -> {output}/sound-signed.pdf (level LTA, verified; ",
        files[1]: f"signed {files[1]} -> {output}/damaged-signed.pdf (level LTA, verified; ",
        files[2]: f"refused {files[2]}: DOCUMENT_ENCRYPTED: ",
        files[3]: f"refused {files[3]}: NOT_A_PDF: ",
        files[4]: f"refused {files[4]}: NOT_A_PDF: ",
        files[5]: f"signed {files[5]} -> {output}/name with space-signed.pdf (",
        files[6]: f"signed {files[6]} -> {output}/sound-2-signed.pdf (",
        files[7]: f"refused {files[7]}: FILE_NOT_FOUND: ",
        files[8]: f"refused {files[8]}: FILE_UNREADABLE: ",
    }
    for file, beginning in expected.items():
        assert lines[str(file)].startswith(beginning)
    assert "rewritten first, because damaged: " in lines[str(files[1])]
    assert "another file of this call has the same name" in lines[str(files[6])]
    assert "\x1b" not in done.stdout


def test_summary_counts(mixed: tuple[Run, Path, list[Path]]) -> None:
    done, output, files = mixed
    (summary,) = done.stdout.splitlines()[len(files) :]
    assert summary.startswith("5 of 10 files signed at LTA and verified; 1 of them rewritten first, because damaged; ")
    assert "; 5 refused" in summary
    assert summary.endswith(f"are in {output}")


def test_results_verify_and_nothing_else_lies_there(mixed: tuple[Run, Path, list[Path]], user: User) -> None:
    _, output, _ = mixed
    names = {path.name for path in output.iterdir()}
    signed = {
        *("sound-signed.pdf", "sound-2-signed.pdf", "damaged-signed.pdf", "name with space-signed.pdf"),
        "-x \u00e9\x1b[31m-signed.pdf",
    }
    assert names == {*signed, "root.pem"}
    trusting = User(user.stack, output / "root.pem")
    result = trusting.verify(*(output / name for name in sorted(signed)))
    assert result["valid"]
    assert {file["level"] for file in result["files"]} == {"LTA"}


def test_inputs_are_left_as_they_were(mixed: tuple[Run, Path, list[Path]], documents: Path) -> None:
    _, output, files = mixed
    content = (documents / "letter.pdf").read_bytes()
    assert files[5].read_bytes() == files[6].read_bytes() == content
    assert (output / "sound-2-signed.pdf").read_bytes().startswith(content)


def test_folder_and_list(demo: Path, documents: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    shutil.copy(documents / "sound.pdf", folder / "a.pdf")
    shutil.copy(documents / "letter.pdf", folder / "b b.PDF")
    (folder / "note.txt").write_text("a note")
    (folder / ".hidden").write_text("not asked for")
    (folder / "below").mkdir()
    (tmp_path / "list").write_text(f"{documents / 'sound.pdf'}\n\n{documents / 'letter.pdf'}\n")
    done = demo_sign(demo, tmp_path / "out", "--dir", folder, "--files-from", tmp_path / "list")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines_of(done, 5)) == 5
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("a-signed.pdf", "b b-signed.pdf", "note.asice", "sound-signed.pdf", "letter-signed.pdf", "root.pem")
    }


def test_the_demo_is_kept_and_its_pin_is_private(demo: Path, mixed: tuple[Run, Path, list[Path]]) -> None:
    done, _, _ = mixed
    pin = (demo / "pin").read_text().strip()
    assert re.fullmatch("[0-9]{6}", pin)
    assert (demo / "pin").stat().st_mode & 0o777 == 0o600
    assert pin not in done.stdout.replace(str(demo), "")


def test_no_files_is_wrong_use(demo: Path, tmp_path: Path) -> None:
    done = demo_sign(demo, tmp_path / "out")
    assert done.returncode == 2
    assert "no files" in done.stderr


def test_unreadable_list_is_said_in_a_sentence(demo: Path, tmp_path: Path) -> None:
    done = demo_sign(demo, tmp_path / "out", "--files-from", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr.startswith("The demo cannot sign: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_only_complete_files(
    number: signal.Signals, demo: Path, documents: Path, tmp_path: Path, user: User
) -> None:
    output = tmp_path / "out"
    many = [documents / "sound.pdf"] * 500
    with subprocess.Popen(
        command(demo, output, *many),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(5)]
        process.send_signal(number)
        rest, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert errors.removeprefix(UNGUARDED_KEY).startswith("Stopped")
    names = {path.name for path in output.iterdir()} - {"root.pem"}
    said = {Path(match).name for match in re.findall(r" -> (.*?) \(level", "".join(seen) + rest)}
    assert 5 <= len(said) <= len(names) < 500
    assert said <= names
    assert User(user.stack, output / "root.pem").verify(*(output / name for name in names))["valid"]


def test_names_of_results(tmp_path: Path) -> None:
    names = Names(tmp_path)
    given = ["a.pdf", "b/a.PDF", "a-2.pdf", "c/a.pdf", "a", "x.tar", "\u00e9" * 120 + ".pdf", "a.pdf"]
    results = [names.result_of(Path(name), PDF) for name in given]
    assert [path.name for path, _ in results] == [
        *("a-signed.pdf", "a-2-signed.pdf", "a-2-2-signed.pdf", "a-3-signed.pdf", "a-4-signed.pdf"),
        *("x.tar-signed.pdf", "\u00e9" * 100 + "-signed.pdf", "a-5-signed.pdf"),
    ]
    assert [renamed for _, renamed in results] == [False, True, True, True, True, False, False, True]
