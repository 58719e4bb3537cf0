"""Intents to issue: what their certificates say, and that grants and logins give it."""
import calendar
import re
import time
from types import SimpleNamespace

from cryptography import x509
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from .reading import sha256, valid
from .requests import is_key_of
from .signatures import PURPOSES, Wire, is_strong, possession_holds, spki, ssh_key, wire
from .values import UNKNOWN, digest, hosts, id_text, in_order, networks, row

LONGEST = {"ssh-host": 30 * 24 * 3600 + 60, "x509-logins": 12 * 3600 + 60, "x509-servers": 24 * 3600 + 60}
LONGEST_GRANT = 24 * 3600 + 60
LOGIN_IN_USE = 12 * 3600 + 10  # how long after a login without a payload its certificate may still be used
SSH_KEYS = {b"ssh-ed25519-cert-v01@openssh.com": (b"ssh-ed25519", 1),
            b"ecdsa-sha2-nistp256-cert-v01@openssh.com": (b"ecdsa-sha2-nistp256", 2),
            b"ecdsa-sha2-nistp384-cert-v01@openssh.com": (b"ecdsa-sha2-nistp384", 2),
            b"ssh-rsa-cert-v01@openssh.com": (b"ssh-rsa", 2)}
PKCS10 = [SignatureAlgorithmOID.ED25519, SignatureAlgorithmOID.ECDSA_WITH_SHA256,
          SignatureAlgorithmOID.ECDSA_WITH_SHA384, SignatureAlgorithmOID.RSA_WITH_SHA256,
          SignatureAlgorithmOID.RSA_WITH_SHA384, SignatureAlgorithmOID.RSA_WITH_SHA512]


def check_intent(log, e, p):
    purpose, under, asked = p["purpose"], p["under"], log.asked(e)
    login = log.logins.get(p["serial"]) if purpose == "x509-logins" else None  # whose certificate it is
    with e.check("serial"):
        valid(("i", p["issuance"]) not in log.begun and log.serial_of(p) not in log.serials)
        valid(any(p["serial"]) if purpose.startswith("ssh-") else p["serial"] == b"\1" + p["issuance"])
    with e.check("under"):
        valid((under is not None) == (purpose in ("ssh-user", "x509-clients")))
        if under:
            grant = log.begun["g", p["grant"]].payload
            given = grant if grant is UNKNOWN else granted_row(purpose, under, grant)
            check_open(log, e, p)
        if purpose == "ssh-host":
            host = log.hosts.get(e.actor)
            valid(host and not host.is_revoked)
        if purpose == "x509-logins":
            valid(login.actor == e.actor if login else log.is_gone("login", e, 60))
    with e.check("window"):
        begin, until = p["validity"]["from"], p["validity"]["until"]
        valid(begin < until)
        if under:
            term = log.begun["g", p["grant"]].term
            if term is UNKNOWN:
                valid(until - begin <= LONGEST_GRANT)
            else:
                valid(term["open"]["start"] <= begin + 60 and begin <= e.second and until <= term["open"]["end"])
        valid(purpose not in LONGEST or until - begin <= LONGEST[purpose])
    called = asked["name"], e.actor.hex()
    with e.check("certificate"):
        valid(purpose in ("ssh-user", "ssh-host") or PURPOSES[purpose] != "ed25519")
        c = (read_ssh if purpose.startswith("ssh-") else read_x509)(p["tbs"])
        valid((c.serial, c.begin, c.until) == (p["serial"], begin, until))
        if purpose == "ssh-user":
            check_ssh(log, p, c, grant, given, called)
        elif purpose == "ssh-host":
            check_ssh_host(log, p, c, host)
        elif purpose == "x509-root":
            valid(log.keys is UNKNOWN or spki(c.load_key()) in [log.keys[own] for own in PURPOSES if own[:5] == "x509-"])
        else:
            valid(not c.is_ca)
            valid(login is None or until == login.payload["window"]["end"])
            valid(login is None or sha256(spki(c.load_key())) == login.payload["login_key"])
        if purpose == "x509-clients":
            check_x509(log, e, p, c, grant, called)
    if under:
        with e.check("possession"):
            if purpose == "ssh-user":
                valid(possession_holds(
                    c.key, under["possession"], origin=log.origin, grant=id_text("g", p["grant"]),
                    login=under["login"].hex(), key=digest(sha256(c.key)), idempotency_key=under["idempotency_key"]))
            else:
                valid(pkcs10_key(under["possession"]["pkcs10"]) == spki(c.load_key()))


def granted_row(purpose, under, grant):
    wanted = purpose.split("-")[0], under["row"]
    return next(each for each in map(row, grant["rows"]) if (each["kind"], each["name"]) == wanted)


def check_open(log, e, p):
    entry = log.begun["g", p["grant"]]
    grant, validity = entry.payload, p["validity"]
    window = (validity["from"], validity["until"]) if entry.term is UNKNOWN else entry.term["open"].values()
    start, end = window
    valid(entry.is_open and log.request(e).actor == e.actor and start <= e.second < end)
    valid(grant["certificates"] is None or grant is UNKNOWN or entry.issued < grant["certificates"])
    check_login_open(log, e, p["under"]["login"], grant["subject"])


def check_login_open(log, e, serial, acts):
    login = log.logins.get(serial)
    if login is None:
        return valid(log.is_gone("login", e, LOGIN_IN_USE))
    subject = login.payload["subject"]
    valid(is_login_open(login, e) and login.type != "page.login")
    valid(login.actor == e.actor and acts == subject)
    person = log.in_force.get(e.actor)  # who may be gone since, or have lost the key
    if person is None and log.has_issuer(subject):
        person = log.vouched.get(e.actor)
    valid(person is not None and person["subject"] == subject)
    valid("key" not in login.payload or is_key_of(person, login.payload["key"]))
    valid(login.has_factor or log.is_workload(e)
          or any(log.is_gone(each, e, LOGIN_IN_USE) for each in ("mfa.enrolled", "login.step-up")))


def is_login_open(login, e):
    window = login.payload["window"]
    return login.is_open and window["start"] <= e.second < window["end"]


# === SSH ===

def read_ssh(tbs):
    """An SSH certificate up to its signature (PROTOCOL.certkeys)."""
    fields = Wire(tbs)
    kind, nonce = fields.string(), fields.string()
    key_type, count = SSH_KEYS[kind]
    key = wire(key_type, *(fields.string() for _ in range(count)))
    serial, role, key_id, principals = fields.take(8), fields.number(4), fields.string(), fields.string()
    begin, until, options = fields.number(8), fields.number(8), fields.string()
    extensions, reserved, signer = fields.strings()
    valid(reserved == b"" and len(nonce) == 32)
    return SimpleNamespace(
        serial=serial, role=role, key_id=key_id.decode(), begin=begin, until=until, key=key, signer=signer,
        principals=[each.decode() for each in Wire(principals).strings()], options=pairs(options),
        extensions=pairs(extensions))


def pairs(data):
    """Names and values: a value is nothing, or a string in a string."""
    found = Wire(data).strings()
    valid(len(found) % 2 == 0)
    return [(name.decode(), Wire(value).strings()) for name, value in zip(found[::2], found[1::2])]


def check_ssh(log, p, c, grant, given, called):
    valid(is_strong(ssh_key(c.key)))
    begins = f"jit-ca:{id_text('g', p['grant'])}:{id_text('i', p['issuance'])}:"
    valid(c.role == 1 and c.key_id.startswith(begins) and c.key_id.removeprefix(begins) in called)
    valid(log.keys is UNKNOWN or c.signer == wire(b"ssh-ed25519", log.keys["ssh-user"][-32:]))
    if grant is UNKNOWN:
        return
    principals = [given["name"]] if grant["hosts"] == "*" else [
        f"{given['name']}.{host}" for host in hosts(grant["hosts"]) if host in hosts(given["hosts"])]
    valid(c.principals == principals != [])
    valid(c.extensions == [(name, []) for name in (given["extensions"] or "").split(",") if name])
    options, wanted = dict(c.options), {"source-address": given["source"], "force-command": given["command"]}
    in_order([name for name, _ in c.options])
    if given["source"] == "caller":
        (source,) = options["source-address"]
        (only,) = networks(source.decode())
        valid(only.num_addresses == 1)
        wanted["source-address"] = source.decode()
    valid(options == {name: [value.encode()] for name, value in wanted.items() if value is not None})


def check_ssh_host(log, p, c, host):
    """It says what the host has enrolled as, and no more."""
    valid(c.role == 2 and c.key_id == f"jit-ca:host:{id_text('i', p['issuance'])}:{host.name}")
    valid(log.keys is UNKNOWN or c.signer == wire(b"ssh-ed25519", log.keys["ssh-host"][-32:]))
    valid(c.key == host.key and c.principals == host.names() and not c.options and not c.extensions)


# === X.509 ===

def read_x509(tbs):
    """An X.509 TBSCertificate (RFC 5280 4.1), read as a certificate under a signature that nobody has made."""
    c = x509.load_der_x509_certificate(der(0x30, tbs, ECDSA_SHA256, b"\3\2\0\0"))
    extensions = {type(each.value): each.value for each in c.extensions}
    constraints = extensions.get(x509.BasicConstraints)
    begin, until = (calendar.timegm(at.timetuple()) for at in (c.not_valid_before, c.not_valid_after))
    return SimpleNamespace(
        serial=c.serial_number.to_bytes(17, "big"), begin=begin, until=until + 1, load_key=c.public_key,
        issuer=c.issuer, authority=extensions.get(x509.AuthorityKeyIdentifier),
        is_ca=bool(constraints and constraints.ca), alternatives=list(extensions.get(x509.SubjectAlternativeName, [])),
        subject=[[(name.oid, name.value) for name in rdn] for rdn in c.subject.rdns])


def pkcs10_key(request):
    """The public key that a PKCS#10 request (RFC 2986) is for, once its signature holds."""
    request = x509.load_der_x509_csr(request)
    valid(request.signature_algorithm_oid in PKCS10 and request.is_signature_valid)
    return spki(request.public_key())


def check_x509(log, e, p, c, grant, called):
    (only,), (((_, person),), ((_, role),), _) = c.alternatives, c.subject
    held = id_text("g", p["grant"])
    valid(person in called)
    valid(c.subject == [[(NameOID.COMMON_NAME, person)], [(NameOID.ORGANIZATIONAL_UNIT_NAME, grant["role"])],
                        [(NameOID.SERIAL_NUMBER, held)]])
    valid(isinstance(only, x509.UniformResourceIdentifier))
    valid(re.fullmatch(f"spiffe://[a-z0-9._-]+/role/{re.escape(role)}/person/{e.actor.hex()}", only.value))

    key = spki(c.load_key())
    valid(is_strong(c.load_key()))
    ((issuer,),) = c.issuer.rdns
    valid(issuer.oid == NameOID.COMMON_NAME and issuer.value)
    authority = c.authority.key_identifier if log.keys is UNKNOWN else sha256(log.keys["x509-clients"][-65:])[:20]
    valid(len(authority) == 20)
    extensions = (("551d23", False, der(0x30, der(0x80, authority))),
                  ("551d11", False, der(0x30, der(0x86, only.value.encode()))),
                  ("551d0f", True, b"\3\2\7\x80"),
                  ("551d25", False, der(0x30, der(6, bytes.fromhex("2b06010505070302")))),
                  ("551d13", True, der(0x30)),
                  ("551d38", False, b"\5\0"))
    valid(p["tbs"] == der(
        0x30, der(0xa0, der(2, b"\2")), der(2, c.serial), ECDSA_SHA256, der(0x30, named("550403", 0x0c, issuer.value)),
        der(0x30, der_time(c.begin), der_time(c.until - 1)),
        der(0x30, named("550403", 0x0c, person), named("55040b", 0x0c, role), named("550405", 0x13, held)), key,
        der(0xa3, der(0x30, *(der(0x30, der(6, bytes.fromhex(oid)), b"\1\1\xff" if critical else b"", der(4, value))
                              for oid, critical, value in extensions)))))


# What the TBSCertificate of a certificate under a grant consists of, written anew (X.690, RFC 5280).
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def der(tag, *parts):
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def named(oid, tag, text):
    return der(0x31, der(0x30, der(6, bytes.fromhex(oid)), der(tag, text.encode())))


def der_time(second):
    when = time.gmtime(second)
    short = when.tm_year < 2050
    return der(0x17 if short else 0x18, time.strftime("%y%m%d%H%M%SZ" if short else "%Y%m%d%H%M%SZ", when).encode())
