#!/usr/bin/python3
"""Verifies exports of a jit-ca log as docs/log-format.md says ("Verifying a log").

    tests/verify.py [--key VKEY] [--pin FILE]... [--observed FILE]... FILE...

One JSON line for each FILE that `jit-ca log export` wrote; exit status 0 if all of them hold, 1 if not. With
--observed, what hosts saw is held against each log that holds, and is 1 as well where it is not as the log has it.
It is written from that page alone and uses none of the CA's code: python3-cryptography checks signatures
and reads X.509, all else is Python's standard library and what lies in verifier/.

    archive -> checkpoint -> each entry: check, then apply -> erased -> tree -> pins -> copies

    archive.py       the file, and the parts in it      checks.py        the checks of an entry
    reading.py       bytes, CBOR; how a check fails     certificates.py  those of an intent to issue
    values.py        text forms, statements             requests.py      those of requests and approvals
    payloads.py      what payloads may hold, a table    grants.py        those of what became of them, and locks
    log.py           what entries add up to             passkeys.py      those of passkeys, and WebAuthn
    signatures.py    keys, SSHSIG, checkpoint, tree     observed.py      what hosts saw
    sessions.py      those of sessions on hosts         told.py          what hosts told of them
"""
import argparse
import itertools
import json
import sys

sys.dont_write_bytecode = True  # of the modules that follow

from verifier.archive import entry_parts, log_names, part_names, read_archive, records
from verifier.checks import check_entry
from verifier.log import Entry, Log
from verifier.observed import compare, read_uses
from verifier.reading import Broken, b64, check, valid
from verifier.signatures import LogKey, Note, tree_hash


def verify(data, log_key, pins, report):
    with check("archive"):
        members = read_archive(data)
        parts, note = dict(members), readable_note(members[0][1])
        copies = note and check_names(members, note, report)
    with check("checkpoint"):
        key = LogKey(log_key or parts["log.key"].decode().removesuffix("\n"))
        valid(parts["log.key"] == f"{key.text}\n".encode() and note.is_signed_by(key))
    with check("init", 0):
        valid(note.size)

    log = Log(note, key)
    try:
        has_surplus = read_entries(parts, log)
    finally:
        missing = [e for e in log.entries if not e.record]
        intents = [e for (kind, _), e in log.begun.items() if kind == "i"]
        report.update(unaccounted=log.unaccounted, orphans=[e.index for e in intents if e.is_open], erased=len(missing), certificates=len(intents))
    for e in missing:
        with e.check("erased"):
            valid(any(first <= e.index <= last for first, last in log.erased))
    with check("surplus"):
        valid(not has_surplus)
    hashes = [e.hash for e in log.entries]
    with check("root"):
        valid(tree_hash(hashes) == note.root)
    with check("tile"):
        check_tiles(parts, hashes)
    with check("stale"):
        pins = [readable_note(pin) for pin in pins]
        valid(all(pin is None or pin.size <= note.size for pin in pins))
    with check("pin"):
        for pin in pins:
            valid(pin.is_signed_by(key) and tree_hash(hashes[:pin.size]) == pin.root)
    with check("copy"):
        valid(copies == [*log.key_copies(), *log.copies])
    return log


def readable_note(data):
    try:
        return Note(data)
    except ValueError:
        return None


def check_names(members, note, report):
    """Gives the members behind the log's own parts, which are those that the checkpoint's size asks for."""
    report.update(size=note.size, root=b64(note.root))
    held = [name for name, _ in members[2:]]
    expected = list(itertools.islice(log_names(note.size), len(held) + 1))
    valid(held[:len(expected)] == expected)
    valid(all(name.startswith(("ca/", "bundles/")) for name in held[len(expected):]))
    return members[2 + len(expected):]


def read_entries(parts, log):
    """Checks and applies each entry; gives whether a part holds more than it should."""
    has_surplus, size = False, log.checkpoint.size
    for first, (tile, leaves, payloads) in zip(range(0, size, 256), entry_parts(size)):
        tile, (leaves, rest), (payloads, more) = parts[tile], records(parts[leaves], 2), records(parts[payloads], 4)
        width, held = min(256, size - first), (len(tile) // 32, len(leaves), len(payloads))
        has_surplus |= len(tile) > 32 * width or max(held) > width or rest or more
        for n in range(width):
            with check("missing", first + n):
                valid(n < min(held))
            e = Entry(first + n, tile[32 * n:32 * n + 32], leaves[n], payloads[n])
            check_entry(log, e)
            log.apply(e)
    return has_surplus


def check_tiles(parts, hashes):
    level = hashes
    for height in range(1, 8):
        level = [tree_hash(level[at:at + 256]) for at in range(0, len(level) - 255, 256)]
        tiles = [b"".join(level[at:at + 256]) for at in range(0, len(level), 256)]
        names = part_names(f"tile/{height}", len(hashes) >> 8 * height)
        valid([parts[name] for name in names] == tiles)


def main():
    arguments = argparse.ArgumentParser(description="Verifies exports of a jit-ca log.")
    arguments.add_argument("--key", help="the log key, as <origin>+<key id>+<base64>; else the export's own")
    arguments.add_argument("--pin", action="append", default=[], help="a checkpoint that was kept")
    arguments.add_argument("--observed", action="append", default=[], help="what a host saw")
    arguments.add_argument("file", nargs="+")
    arguments = arguments.parse_args()
    pins = [open(pin, "rb").read() for pin in arguments.pin]
    try:
        uses = [used for name in arguments.observed for used in read_uses(name)]
    except ValueError as error:
        sys.exit(f"--observed: {error}")
    all_hold = True
    for name in arguments.file:
        report = dict(file=name, verdict="holds", code=None, first_bad_index=None, size=None, root=None,
                      orphans=[], unaccounted=[], erased=0, certificates=0)
        with open(name, "rb") as file:
            data = file.read()
        try:
            log = verify(data, arguments.key, pins, report)
            if arguments.observed:
                report.update(observed=compare(log, uses))
                all_hold = all_hold and not report["observed"]["mismatched"]
        except Broken as broken:
            code, index = broken.args
            report.update(verdict="broken", code=code, first_bad_index=index)
            all_hold = False
        print(json.dumps(report), flush=True)
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
