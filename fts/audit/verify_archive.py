"""python3 verify_archive.py DIRECTORY [ROOTS.pem]: verify an archive of the trail, with Python 3.8 and openssl only.

Each line is canonical JSON; a link is SHA-256("fts-chain-1" || number as 8 octets || link before || SHA-256(header));
each checkpoint has the Merkle root (RFC 9162, 2.1) over its links and the digest of the checkpoint before; its RFC 3161
tokens, oldest first, are over its digest and the tokens before; each file begins with the SHA-512 of the file before.
Exit status: 0 everything is as it was written, 1 not. Prints the SHA-512 of the last file: compare it with the one kept
elsewhere, or a last file that is gone is not missed.
"""
# ruff: noqa: T201

import base64
import calendar
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MOST_LINKS = 10000
MOST_LINE = 1 << 24


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def merkle_root(entries: "list[bytes]", algorithm: str) -> bytes:
    nodes = [hashlib.new(algorithm, b"\x00" + entry).digest() for entry in entries]
    while len(nodes) > 1:
        pairs = [nodes[n : n + 2] for n in range(0, len(nodes), 2)]
        nodes = [hashlib.new(algorithm, b"\x01" + b"".join(p)).digest() if len(p) > 1 else p[0] for p in pairs]
    return nodes[0]


def verify_token(der: bytes, covers: bytes, roots: Path) -> int:
    with tempfile.NamedTemporaryFile(suffix=".tst") as file:
        file.write(der)
        file.flush()
        command = ["openssl", "ts", "-verify", "-digest", covers.hex(), "-in", file.name, "-token_in"]
        shown = ["openssl", "ts", "-reply", "-token_in", "-in", file.name, "-token_out", "-text"]
        text = subprocess.run(shown, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode()
        moment = next(line.partition(": ")[2] for line in text.splitlines() if line.startswith("Time stamp: "))
        at = calendar.timegm(time.strptime(moment.partition(".")[0].replace(" GMT", ""), "%b %d %H:%M:%S %Y"))
        command += ["-attime", str(at), "-CAfile", str(roots)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check(done.returncode == 0 and b"Verification: OK" in done.stdout, done.stdout.decode(errors="replace"))
    return at


def verify_checkpoint(record: Any, leaves: "list[bytes]", reached: Any, roots: Path) -> int:
    point = record["checkpoint"]
    digest = hashlib.new(point["algorithm"], canonical({k: v for k, v in point.items() if k != "digest"})).digest()
    check(leaves and digest.hex() == point["digest"], "another digest")
    check(point["number"] == reached["checkpoint"] + 1 and point["previous"] == reached["digest"], "another order")
    last = reached["seq"] + len(leaves)
    check((point["first_seq"], point["last_seq"]) == (reached["seq"] + 1, last), "over other links")
    root = merkle_root(leaves, point["algorithm"])
    check((point["root"], point["head"]) == (root.hex(), leaves[-1].hex()), "over another chain")
    check(record["tokens"], "no timestamp")
    earlier = b""
    after = int(point["at"]) // 1000000 - 60
    for token in record["tokens"]:
        der = base64.b64decode(token["token"], validate=True)
        covers = hashlib.new(token["algorithm"], digest + earlier).digest() if earlier else digest
        at = verify_token(der, covers, roots)
        check(at >= after, "a timestamp is older than what it covers")
        earlier, after = earlier + der, at
    return after


def verify_file(path: Path, before: Any, roots: Path, where: Any) -> Any:
    """Return what the next file must begin with: number, SHA-512 of this one, where it ends."""
    whole, leaves, count, points, end = hashlib.sha512(), [], 0, 0, None  # type: Any, Any, int, int, Any
    with path.open("rb") as file:
        for where["line"], line in enumerate(iter(lambda: file.readline(MOST_LINE), b""), start=1):
            record = json.loads(line)
            check(canonical(record) + b"\n" == line, "not written as archives are")
            whole.update(line)
            check(end is None, "something follows the end")
            if where["line"] == 1:
                reached = before["after"]
                expected = {"archive": 1, "day": path.name[:-6], "after": reached}
                expected.update(number=before["number"], previous=before["previous"])
                check(record == expected, "another file was before this one")
                head, seq = bytes.fromhex(reached["head"]), reached["seq"]
            elif set(record) == {"seq", "hash", "header"}:
                seq, where["link"] = seq + 1, seq + 1
                data = b"fts-chain-1" + seq.to_bytes(8, "big") + head
                head = hashlib.sha256(data + hashlib.sha256(canonical(record["header"])).digest()).digest()
                check((record["seq"], record["hash"]) == (seq, head.hex()), "the event or its link was changed")
                leaves.append(head)
                check(len(leaves) <= MOST_LINKS, "a checkpoint is missing")
            elif set(record) == {"checkpoint", "tokens"}:
                where["until"] = verify_checkpoint(record, leaves, reached, roots)
                point = record["checkpoint"]
                reached = {"seq": seq, "head": head.hex(), "checkpoint": point["number"], "digest": point["digest"]}
                count, points, leaves = count + len(leaves), points + 1, []
            else:
                end = record["end"]
                counted = {"links": count, "checkpoints": points, "personal": end["personal"]}
                check(points and not leaves and set(record) == {"end"} and end == counted, "another end")
    check(end is not None, "the file is cut off")
    personal = path.parent.parent / "personal" / path.name
    if personal.exists():
        octets = hashlib.sha512()
        with personal.open("rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                octets.update(part)
        check(end["personal"] and end["personal"]["sha512"] == octets.hexdigest(), "other personal parts")
    return {"number": before["number"] + 1, "previous": whole.hexdigest(), "after": reached}


def main(arguments: "list[str]") -> int:
    folder = Path(arguments[0])
    roots = Path(arguments[1]) if len(arguments) > 1 else folder / "roots.pem"
    before = {"number": 1, "previous": None}  # type: Any
    before["after"] = {"seq": 0, "head": "00" * 32, "checkpoint": 0, "digest": None}
    where = {}  # type: Any
    paths = [path for path in sorted((folder / "trail").iterdir()) if not path.name.endswith(".jsonl.partial")]
    for path in paths:
        try:
            check(path.name.endswith(".jsonl"), "no file of an archive")
            before = verify_file(path, before, roots, where)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, it is named
            print(f"{path.name!a}: FAIL: line {where.get('line')}, link {where.get('link')}: {error!a}\nFAIL")
            return 1
        print(
            f"{path.name}: PASS, link {before['after']['seq']}, timestamped {time.asctime(time.gmtime(where['until']))}"
        )
    print(f"SHA-512 of the last file: {before['previous']}")
    print("PASS" if paths else "FAIL")
    return 0 if paths else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
