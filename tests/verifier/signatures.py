"""Keys, and what they have signed: certificates, statements, checkpoints."""
import hashlib
import re
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding, PublicFormat, load_der_public_key, load_ssh_public_key)

from .payloads import VALUES
from .reading import Reader, b64, sha256, unb64, valid
from .values import UNKNOWN, statement

PURPOSES = {"ssh-user": "ed25519", "ssh-host": "ed25519", "x509-root": "secp384r1", "x509-clients": "secp256r1",
            "x509-servers": "secp256r1", "x509-logins": "secp256r1", "log": "ed25519"}
USER_PRESENT, USER_VERIFIED = 0x01, 0x04  # WebAuthn section 6.1
CURVE_HASHES = {"secp256r1": hashes.SHA256, "secp384r1": hashes.SHA384}
# An SSH signature's algorithm: the type of the key, and the hash where the key does not say it.
SK_ED25519, SK_ECDSA = b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"
ALGORITHMS = {SK_ED25519: (SK_ED25519, None), SK_ECDSA: (SK_ECDSA, None), b"ssh-ed25519": (b"ssh-ed25519", None), b"ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256", None),
              b"ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384", None), b"rsa-sha2-256": (b"ssh-rsa", hashes.SHA256),
              b"rsa-sha2-512": (b"ssh-rsa", hashes.SHA512)}


@lru_cache(maxsize=None)
def der_key(spki):
    return load_der_public_key(spki)


def ssh_key(data):
    if Wire(data).string().startswith(b"sk-"):
        return security_key(data)[0]
    key = load_ssh_public_key(Wire(data).string() + b" " + b64(data).encode())
    valid(not isinstance(key, rsa.RSAPublicKey) or 2048 <= key.key_size <= 8192)
    return key


def security_key(data):
    """PROTOCOL.u2f: the key that a security key has, and the application that it is for."""
    kind, *fields = Wire(data).strings()
    if kind == SK_ED25519:
        point, application = fields
        return Ed25519PublicKey.from_public_bytes(point), application
    curve, point, application = fields
    valid((kind, curve) == (SK_ECDSA, b"nistp256"))
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point), application


@lru_cache(maxsize=None)
def verifies(load, key, signature, message, rsa_hash=None):
    """Whether `signature` is by the key that `load` reads. Remembered: exports of one log share most of it."""
    key, scheme = load(key), []
    if isinstance(key, ec.EllipticCurvePublicKey):
        scheme = [ec.ECDSA(CURVE_HASHES[key.curve.name]())]
    elif isinstance(key, rsa.RSAPublicKey):
        scheme = [padding.PKCS1v15(), rsa_hash()]
    try:
        key.verify(signature, message, *scheme)
        return True
    except InvalidSignature:
        return False


def is_strong(key):
    """Whether it is a key that subjects may have."""
    if isinstance(key, rsa.RSAPublicKey):
        return 3072 <= key.key_size <= 8192 and key.public_numbers().e == 65537
    return isinstance(key, Ed25519PublicKey) or key.curve.name in ("secp256r1", "secp384r1")


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def kind_of(der):
    key = der_key(der)
    return "ed25519" if isinstance(key, Ed25519PublicKey) else key.curve.name


# === SSH ===

class Wire(Reader):
    """The data types of RFC 4251 section 5."""

    def string(self):
        return self.take(self.number(4))

    def strings(self):
        """All that are left."""
        found = []
        while not self.is_at_end():
            found.append(self.string())
        return found


def wire(*strings):
    return b"".join(len(each).to_bytes(4, "big") + each for each in strings)


def sshsig_holds(key, blob, kind, /, **values):
    """PROTOCOL.sshsig: is `blob` this key's, over the statement of this kind with these values?"""
    message = statement(kind, **values)
    if message is UNKNOWN:
        return True
    namespace = f"{kind}.v1@jit-ca".encode()
    own_key, own_namespace, reserved, hash_name, signature = sshsig_fields(blob)
    algorithm, signature, flags, counter = sshsig_signature(signature)
    key_type, rsa_hash = ALGORITHMS[algorithm]
    valid((own_key, own_namespace, reserved) == (key, namespace, b"") and Wire(key).string() == key_type)
    signed = sshsig_signed(namespace, hash_name, message)
    if algorithm in (SK_ED25519, SK_ECDSA):
        application = security_key(key)[1]
        valid(application.startswith(b"ssh:") and flags & USER_PRESENT)
        signed = sha256(application) + bytes([flags]) + counter + sha256(signed)
    if b"ecdsa" in algorithm:
        signature = der_ecdsa(*Wire(signature).strings())
    return verifies(ssh_key, key, signature, signed, rsa_hash)


def sshsig_fields(blob):
    head = Wire(blob)
    valid(head.take(6) == b"SSHSIG" and head.number(4) == 1)
    return head.strings()


def sshsig_signature(signature):
    """Algorithm and signature; of a security key also its flags, and its counter as bytes."""
    fields = Wire(signature)
    algorithm, signature, flags, counter = fields.string(), fields.string(), 0, b""
    if algorithm in (SK_ED25519, SK_ECDSA):
        flags, counter = fields.number(1), fields.take(4)
    valid(fields.is_at_end())
    return algorithm, signature, flags, counter


def is_user_verified(blob):
    """Whether a security key says so."""
    return bool(sshsig_signature(sshsig_fields(blob)[4])[2] & USER_VERIFIED)


def possession_holds(key, proof, /, **values):
    """The same of a possession statement, of whose signature the hash's name and the bare number are kept."""
    message = statement("possession", **values)
    if message is UNKNOWN:
        return True
    ((hash_name, signature),) = proof.items()
    if Wire(key).string().startswith(b"ecdsa"):
        width = (ssh_key(key).curve.key_size + 7) // 8
        valid(len(signature) == 2 * width)
        signature = der_ecdsa(signature[:width], signature[width:])
    signed = sshsig_signed(b"possession.v1@jit-ca", hash_name.encode(), message)
    return verifies(ssh_key, key, signature, signed, hashes.SHA512)


def sshsig_signed(namespace, hash_name, message):
    valid(hash_name in (b"sha256", b"sha512"))
    return b"SSHSIG" + wire(namespace, b"", hash_name, hashlib.new(hash_name.decode(), message).digest())


def der_ecdsa(*numbers):
    r, s = (int.from_bytes(number, "big") for number in numbers)
    return utils.encode_dss_signature(r, s)


# === The checkpoint (C2SP signed-note, tlog-checkpoint) ===

class LogKey:
    def __init__(self, text):
        self.text = text
        self.origin, key_id, key = text.split("+", 2)
        VALUES["origin"](self.origin)
        algorithm, point = unb64(key)[:1], unb64(key)[1:]
        self.id = sha256(self.origin.encode(), b"\n\1", point)[:4]
        self.spki = spki(Ed25519PublicKey.from_public_bytes(point))
        valid(algorithm == b"\1" and key_id == self.id.hex())


class Note:
    FORM = re.compile("(?P<signed>(?P<origin>.+)\n(?P<size>0|[1-9][0-9]{0,19})\n(?P<root>.+)\n)\n"
                      "(?P<signatures>(\u2014 [^ \n]+ [^ \n]+\n)+)")

    def __init__(self, data):
        valid(len(data) <= 2**14)
        found = self.FORM.fullmatch(data.decode())
        valid(found)
        self.origin, self.signed = found["origin"], found["signed"].encode()
        self.size, self.root = int(found["size"]), unb64(found["root"])
        lines = (line.split(" ") for line in found["signatures"][:-1].split("\n"))
        self.signatures = [(name, unb64(signature)) for _, name, signature in lines]
        VALUES["origin"](self.origin)
        valid(self.size < 2**64 and len(self.root) == 32 and all(len(held) > 4 for _, held in self.signatures))

    def is_signed_by(self, log_key):
        own = [each[4:] for name, each in self.signatures if (name, each[:4]) == (log_key.origin, log_key.id)]
        return self.origin == log_key.origin and own != [] and all(
            verifies(der_key, log_key.spki, signature, self.signed) for signature in own)


# === The tree (RFC 6962 section 2.1) ===

def tree_hash(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", tree_hash(leaves[:cut]), tree_hash(leaves[cut:]))
