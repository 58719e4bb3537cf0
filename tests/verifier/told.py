"""The sessions that hosts told of, as entries add up to them."""
from .reading import sha256
from .values import UNKNOWN, id_text

CLOCKS_APART = 60  # a host's and the CA's


def apply_sessions(log, e, p):
    match e.type:
        case "issue.intent" if p["purpose"] == "ssh-user":
            log.ssh_certificates[int.from_bytes(p["serial"], "big")] = e
        case "session.open":
            log.sessions[p["session"]] = e
            issued = find(log, p["certificate"])
            if p["issuance"] is None or issued and not was_valid(p["opened"], issued.payload["validity"]):
                log.unaccounted.append(e.index)
        case "session.close" if p["session"] in log.sessions:
            opened = log.sessions[p["session"]]
            opened.is_open, opened.channels = False, [channel["number"] for channel in p["channels"]]


def find(log, used):
    """The intent of the certificate that was used, if it is that one to the last field."""
    e = log.ssh_certificates.get(used["serial"]) if used else None
    if e is None or log.keys is UNKNOWN:
        return None
    named = used["key_id"].split(":", 3)
    is_it = (named[:3] == ["jit-ca", id_text("g", e.ids["g"]), id_text("i", e.ids["i"])] and len(named) == 4 and
             used["until"] == e.payload["validity"]["until"] and used["ca"] == sha256(ssh_ed25519(log.keys["ssh-user"])))
    return e if is_it else None


def was_valid(at, validity):
    return validity["from"] - CLOCKS_APART <= at < validity["until"] + CLOCKS_APART


def ssh_ed25519(spki):
    """RFC 8709 section 4: of a SubjectPublicKeyInfo, whose last 32 bytes are the key."""
    return b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + spki[-32:]
