"""python3 verify_bundle.py [DIRECTORY]: verify a bundle of audit records, with nothing but Python 3.8 and openssl.

Each event: its header and personal part hash to what its link in the chain holds; the link is in the Merkle tree of its
checkpoint (RFC 9162, 2.1.3.2). Each checkpoint: its digest, and its RFC 3161 tokens, oldest first, each over the digest
and the tokens before it. Exit status: 0 everything is as it was written, 1 not.
"""
# ruff: noqa: T201

import calendar
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(condition: object, what: str) -> None:
    if not condition:
        raise ValueError(what)


def root_from(entry: bytes, index: int, size: int, proof: "list[bytes]", algorithm: str) -> bytes:
    def digest(data: bytes) -> bytes:
        return hashlib.new(algorithm, data).digest()

    number, last, found = index, size - 1, digest(b"\x00" + entry)
    for node in proof:
        check(last > 0, "the proof is too long")
        if number & 1 or number == last:
            found = digest(b"\x01" + node + found)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            found = digest(b"\x01" + found + node)
        number, last = number >> 1, last >> 1
    check(last == 0, "the proof is too short")
    return found


def verify_event(record: Any, checkpoints: Any) -> None:
    header, personal = record["header"], record["personal"]
    if personal is not None:
        packed = bytes.fromhex(personal["salt"]) + canonical(personal["content"])
        check(hashlib.sha256(packed).hexdigest() == header["personal_sha256"], "another personal part")
    seq = record["seq"]
    data = b"fts-chain-1" + seq.to_bytes(8, "big") + bytes.fromhex(record["previous"])
    entry = hashlib.sha256(data + hashlib.sha256(canonical(header)).digest()).digest()
    point = checkpoints[record["checkpoint"]]
    check(point["first_seq"] <= seq <= point["last_seq"], "outside its checkpoint")
    size, index = point["last_seq"] - point["first_seq"] + 1, seq - point["first_seq"]
    proof = [bytes.fromhex(node) for node in record["proof"]]
    found = root_from(entry, index, size, proof, point["algorithm"])
    check(found.hex() == point["root"], "not in its checkpoint")


def verify_checkpoint(folder: Path, point: Any) -> "list[str]":
    members = {name: value for name, value in point.items() if name not in ("digest", "tokens")}
    digest = hashlib.new(point["algorithm"], canonical(members)).digest()
    check(digest.hex() == point["digest"], "another digest")
    check(point["tokens"], "no timestamp")
    earlier = b""
    times = []
    for token in point["tokens"]:
        covers = hashlib.new(token["algorithm"], digest + earlier).digest() if earlier else digest
        path = folder / "tokens" / token["file"]
        times.append(verify_token(folder, path, covers))
        earlier += path.read_bytes()
    return times


def verify_token(folder: Path, path: Path, covers: bytes) -> str:
    command = ["openssl", "ts", "-verify", "-digest", covers.hex(), "-in", str(path), "-token_in"]
    command += ["-CAfile", str(folder / "anchors.pem"), "-untrusted", str(folder / "certificates.pem")]
    shown = ["openssl", "ts", "-reply", "-token_in", "-in", str(path), "-token_out", "-text"]
    text = subprocess.run(shown, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode()
    moment = next(line.partition(": ")[2] for line in text.splitlines() if line.startswith("Time stamp: "))
    seconds = str(calendar.timegm(time.strptime(moment.partition(".")[0].replace(" GMT", ""), "%b %d %H:%M:%S %Y")))
    done = subprocess.run([*command, "-attime", seconds], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check(done.returncode == 0 and b"Verification: OK" in done.stdout, done.stdout.decode(errors="replace"))
    return moment


def main(arguments: "list[str]") -> int:
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    failed = 0
    checkpoints = {point["number"]: point for point in json.loads((folder / "checkpoints.json").read_text())}
    for number, point in checkpoints.items():
        try:
            print(f"checkpoint {number}: PASS, timestamped {', then '.join(verify_checkpoint(folder, point))}")
        except (ValueError, KeyError, StopIteration, OSError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"checkpoint {number}: FAIL: {error}")
    for record in json.loads((folder / "events.json").read_text()):
        header = record["header"]
        try:
            verify_event(record, checkpoints)
            print(f"event {header['id']} {ascii(header['kind'])[1:-1]}: PASS")
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            failed += 1
            print(f"event {header.get('id')!a}: FAIL: {error}")
    print("FAIL" if failed else "PASS")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
