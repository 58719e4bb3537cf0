"""Passkeys: registrations and assertions of W3C WebAuthn Level 3, and what the log says of them ("Passkeys")."""
import re

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .reading import Reader, b64, sha256, valid
from .signatures import verifies
from .values import UNKNOWN

PRESENT_AND_VERIFIED, ELIGIBLE, BACKED_UP, RESERVED, HAS_PASSKEY, HAS_EXTENSIONS = 0x05, 0x08, 0x10, 0x22, 0x40, 0x80
# A COSE key up to its numbers, in the one encoding that CTAP2 lets it have.
ES256 = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", b"\x22\x58\x20"
EDDSA = b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"
RS256 = b"\xa4\x01\x03\x03\x39\x01\x00\x20\x59", b"\x21\x43\x01\x00\x01"


class Data(Reader):
    """Authenticator data: flags, counter and, of a registration, the passkey's id and key."""

    def __init__(self, data):
        super().__init__(data)
        valid(len(data) <= 8192)
        self.party, self.flags, self.counter = self.take(32), self.number(1), self.number(4)
        self.id = self.key = None
        valid(not self.flags & RESERVED)
        if self.flags & HAS_PASSKEY:
            self.take(16)
            length = self.number(2)
            valid(1 <= length <= 1023)
            self.id = self.take(length)
            self.key = self.cose()
        valid(self.is_at_end() if not self.flags & HAS_EXTENSIONS else self.number(1) >> 5 == 5)

    def cose(self):
        start, rest = self.at, self.data[self.at:]
        if rest.startswith(ES256[0]):
            self.take(len(ES256[0]) + 32)
            valid(self.take(3) == ES256[1])
            self.take(32)
        elif rest.startswith(EDDSA):
            self.take(len(EDDSA) + 32)
        else:
            valid(self.take(len(RS256[0])) == RS256[0])
            length = self.number(2)
            valid(256 <= length <= 1024 and self.take(length)[0] & 0x80)
            valid(self.take(5) == RS256[1])
        return self.data[start:self.at]

    def check(self, party):
        valid(self.party == sha256(party.encode()))
        valid(self.flags & PRESENT_AND_VERIFIED == PRESENT_AND_VERIFIED)
        valid(self.flags & ELIGIBLE or not self.flags & BACKED_UP)


def load_cose(key):
    if key.startswith(EDDSA):
        return Ed25519PublicKey.from_public_bytes(key[-32:])
    if key.startswith(ES256[0]):
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key[10:42] + key[45:])
    return rsa.RSAPublicNumbers(65537, int.from_bytes(key[11:-5], "big")).public_key()


def check_client_data(data, kind, challenge, party):
    """WebAuthn section 5.8.1.2: the beginning is compared byte for byte, since browsers write it in one way."""
    valid(len(data) <= 4096)
    text, challenge = data.decode(), b64(challenge).rstrip("=").translate(str.maketrans("+/", "-_"))
    start = f'{{"type":"webauthn.{kind}","challenge":"{challenge}","origin":"https://{party}'
    valid(text.startswith(start))
    port, rest = text[len(start):].split('"', 1)
    valid(port == "" or (re.fullmatch(":(0|[1-9][0-9]{0,4})", port, re.ASCII) and int(port[1:]) < 65536))
    rest = rest.removeprefix(',"crossOrigin":false')
    valid("crossOrigin" not in rest and "topOrigin" not in rest)
    valid(rest == "}" or (rest.startswith(",") and rest.endswith("}")))


def read_registration(registration, challenge, party):
    data = Data(registration["authenticator_data"])
    if challenge is not UNKNOWN:
        check_client_data(registration["client_data"], "create", sha256(challenge), party)
    data.check(party)
    valid(data.id is not None)
    return data


class Passkey:
    """One that the log has: whose it is, and what its counter said last."""

    def __init__(self, actor, party, data):
        self.actor, self.party, self.key, self.counter = actor, party, data.key, data.counter
        self.eligible = data.flags & ELIGIBLE

    def check(self, assertion, challenge):
        data = Data(assertion["authenticator_data"])
        if challenge is not UNKNOWN:
            check_client_data(assertion["client_data"], "get", sha256(challenge), self.party)
        data.check(self.party)
        valid(data.id is None and data.flags & ELIGIBLE == self.eligible)
        signed = assertion["authenticator_data"] + sha256(assertion["client_data"])
        valid(verifies(load_cose, self.key, assertion["signature"], signed, hashes.SHA256))


def find(log, e, passkey):
    """One of whom the entry is by; unknown where the payload may be missing that says so."""
    found = log.passkeys.get(passkey)
    valid(found.actor == e.actor if found else ("passkey.added", e.actor) in log.gone)
    return found or UNKNOWN


def check_counter(log, e, assertion):
    found = find(log, e, assertion["passkey"])
    if found is not UNKNOWN:
        counter = Data(assertion["authenticator_data"]).counter
        valid(counter > found.counter or counter == found.counter == 0)


def check_signed(log, assertion, challenge):
    found = log.passkeys.get(assertion["passkey"])
    if found:
        found.check(assertion, challenge)


def assertion_of(e, p):
    """What of an entry is signed with a passkey."""
    match e.type:
        case "page.login" | "login.step-up":
            return p["assertion"]
        case "login" if "passkey" in p["factor"]:
            return p["factor"]["passkey"]
        case "passkey.added":
            return p["consent"]
        case "approval" if p["signature"]:
            return p["signature"].get("passkey")
    return None


def apply_passkeys(log, e, p):
    """What an entry that holds changes of them."""
    if e.type == "passkey.added":
        data = Data(p["registration"]["authenticator_data"])
        log.passkeys[data.id] = Passkey(e.actor, p["party"], data)
    if e.type == "passkey.removed":
        log.passkeys.pop(p["passkey"], None)
    assertion = assertion_of(e, p)
    if assertion and assertion["passkey"] in log.passkeys:
        log.passkeys[assertion["passkey"]].counter = Data(assertion["authenticator_data"]).counter
