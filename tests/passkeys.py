"""Passkeys' registrations and assertions, made and judged by PyPI's fido2, which shares nothing with ours.

    passkeys.py make           prints vectors: one passkey of each kind, and what it asserts
    passkeys.py check FILE     whether fido2 accepts each of them, as a relying party does
"""

import json
import sys
from base64 import b64decode, b64encode
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2.cose import ES256, RS256, EdDSA
from fido2.server import Fido2Server
from fido2.webauthn import (Aaguid, AttestationObject, AttestedCredentialData, AuthenticationResponse,
                            AuthenticatorAssertionResponse, AuthenticatorAttestationResponse, AuthenticatorData,
                            CollectedClientData, PublicKeyCredentialRpEntity, RegistrationResponse,
                            UserVerificationRequirement)

PARTY, ORIGIN = "ca.example.org", "https://ca.example.org:8443"
F = AuthenticatorData.FLAG
VERIFIED = F.UP | F.UV


def text(data):
    return b64encode(data).decode().rstrip("=")


def data(text):
    return b64decode(text + "=" * (-len(text) % 4))


def made(name, key, cose, sign, flags=VERIFIED, counters=(0, 0), extensions=None):
    """A passkey as an authenticator makes it: its registration, and an assertion."""
    rp, credential = sha256(PARTY.encode()).digest(), sha256(name.encode()).digest()
    attested = AttestedCredentialData.create(Aaguid(bytes(16)), credential, cose.from_cryptography_key(key.public_key()))
    created = flags | F.AT | (F.ED if extensions else F(0))
    registration = AuthenticatorData.create(rp, created, counters[0], attested, extensions)
    asserted = AuthenticatorData.create(rp, flags, counters[1])
    client = lambda kind, challenge: CollectedClientData.create(kind, challenge, ORIGIN)
    challenges = [sha256(f"{name} {what}".encode()).digest() for what in ("registered", "asserted")]
    create, get = client("webauthn.create", challenges[0]), client("webauthn.get", challenges[1])
    return {
        "name": name, "party": PARTY, "origin": ORIGIN, "counter": counters[1],
        "registered": {"challenge": text(challenges[0]), "client_data": text(create), "authenticator_data": text(registration)},
        "asserted": {"challenge": text(challenges[1]), "passkey": text(credential), "client_data": text(get),
                     "authenticator_data": text(asserted), "signature": text(sign(asserted + get.hash))},
    }


def vectors():
    p256, ed, big = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)
    by_p256 = lambda signed: p256.sign(signed, ec.ECDSA(hashes.SHA256()))
    by_rsa = lambda signed: big.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return [
        made("es256", p256, ES256, by_p256, counters=(0, 1)),
        made("eddsa", ed, EdDSA, ed.sign, counters=(7, 9)),
        made("rs256", big, RS256, by_rsa),
        made("backed-up", p256, ES256, by_p256, flags=VERIFIED | F.BE | F.BS),
        made("extended", p256, ES256, by_p256, extensions={"credProtect": 2}),
    ]


def check(vector):
    """fido2's relying party, with its own reading of everything."""
    rp = PublicKeyCredentialRpEntity(id=vector["party"], name="jit-ca")
    server = Fido2Server(rp, verify_origin=lambda origin: origin == vector["origin"])
    required = UserVerificationRequirement.REQUIRED
    registered, asserted = vector["registered"], vector["asserted"]
    state = {"challenge": registered["challenge"].replace("+", "-").replace("/", "_"), "user_verification": required}
    attestation = AttestationObject.create("none", AuthenticatorData(data(registered["authenticator_data"])), {})
    raw = data(asserted["passkey"])
    response = AuthenticatorAttestationResponse(client_data=CollectedClientData(data(registered["client_data"])),
                                                attestation_object=attestation)
    kept = server.register_complete(state, RegistrationResponse(raw_id=raw, response=response)).credential_data
    state["challenge"] = asserted["challenge"].replace("+", "-").replace("/", "_")
    response = AuthenticatorAssertionResponse(client_data=CollectedClientData(data(asserted["client_data"])),
                                              authenticator_data=AuthenticatorData(data(asserted["authenticator_data"])),
                                              signature=data(asserted["signature"]))
    server.authenticate_complete(state, [kept], AuthenticationResponse(raw_id=raw, response=response))


match sys.argv[1:]:
    case ["make"]:
        print(json.dumps(vectors(), indent=1))
    case ["check", file]:
        with open(file, encoding="utf-8") as opened:
            judged = json.load(opened)
        for vector in judged:
            check(vector)
        print(f"{len(judged)} hold")
    case _:
        sys.exit(__doc__)
