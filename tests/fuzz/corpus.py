#!/usr/bin/env python3
"""Writes the corpora that can't be written by hand, those of passkeys: tests/fuzz/corpus.py

The passkeys are those of crates/jit-ca-log/src/webauthn/vectors.json, which authenticators made. The client data is as a
browser writes it (WebAuthn 5.8.1.1), in answer to what the targets ask. An input is client data, a zero, authenticator data.
"""

import base64
import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).parent
VECTORS = HERE.parent.parent / "crates/jit-ca-log/src/webauthn/vectors.json"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(b"what is answered").digest()).rstrip(b"=").decode()
PARTY = hashlib.sha256(b"ca.example.org").digest()


def client_data(kind, end=',"crossOrigin":false}'):
    return (f'{{"type":"webauthn.{kind}","challenge":"{CHALLENGE}","origin":"https://ca.example.org:8443"' + end).encode()


def decoded(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def write(target, name, client, data):
    folder = HERE / "corpus" / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(client + b"\0" + data)


def main():
    for vector in json.loads(VECTORS.read_text()):
        for target, kind, of in (("passkey-registration", "create", "registered"), ("passkey-assertion", "get", "asserted")):
            write(target, vector["name"], client_data(kind), decoded(vector[of]["authenticator_data"]))
    ends = {"short": "}", "more": ',"crossOrigin":false,"tokenBinding":{"status":"supported"}}',
            "framed": ',"crossOrigin":true,"topOrigin":"https://evil.example"}'}
    for name, end in ends.items():
        write("passkey-assertion", name, client_data("get", end), PARTY + b"\x05\0\0\0\x07")
    write("passkey-assertion", "extended", client_data("get"), PARTY + b"\x85\0\0\0\x07\xa1\x63abc\xf5")
    write("passkey-assertion", "absent", client_data("get"), PARTY + b"\x01\0\0\0\x07")


main()
