"""What hosts saw, held against a log that holds ("What hosts saw")."""
import calendar
import json
import re
from datetime import datetime

from .certificates import granted_row, read_ssh
from .reading import sha256, unb64, valid
from .signatures import wire
from .values import UNKNOWN, digest, hosts, id_text

SKEW = 60  # how far a host's clock may be from the CA's
LONGEST_GRANT = 24 * 3600
FIELDS = {"time", "host", "account", "ca", "serial", "key_id", "tbs"}


def read_uses(name):
    """A use for each line of a file. What is no use has an error that says in which line."""
    uses = []
    with open(name, encoding="utf-8", newline="\n") as file:
        text = file.read()
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
        try:
            used = json.loads(line)
            valid(isinstance(used, dict) and set(used) == FIELDS)
            valid(all(isinstance(each, str) for each in used.values()))
            used["second"] = calendar.timegm(datetime.strptime(used["time"], "%Y-%m-%dT%H:%M:%SZ").timetuple())
            valid(re.fullmatch("0|[1-9][0-9]*", used["serial"]) and int(used["serial"]) < 2 ** 64)
            valid(len(hosts(used["host"])) == 1)
            for field in ("ca", "tbs"):
                hashed = used[field]
                valid(hashed.startswith("SHA256:") and digest(unb64(hashed[7:] + "=")) == hashed)
        except ValueError as error:
            raise ValueError(f"{name}, line {number} is not a use of a certificate") from error
        uses.append(used)
    return uses


def compare(log, uses):
    """For each use that is not as the log has it, which it is and why."""
    intents = {}
    for e in log.entries:
        if e.type == "issue.intent":
            intents.setdefault(digest(e.leaf["tbs"]), e)
    ca = UNKNOWN if log.keys is UNKNOWN else digest(sha256(wire(b"ssh-ed25519", log.keys["ssh-user"][-32:])))
    found = [dict(nth=nth, mismatch=mismatch(log, ca, intents.get(used["tbs"]), used)) for nth, used in enumerate(uses)]
    return dict(uses=len(uses), mismatched=[each for each in found if each["mismatch"]])


def mismatch(log, ca, e, used):
    """Why it is not, by the first check that fails; None if it is."""
    if used["ca"] != ca:
        return "foreign"
    if e is None or not is_of(e, used):
        has_predecessor = log.succeeds is not UNKNOWN and log.succeeds is not None
        may_be_before = used["second"] < log.entries[0].second + LONGEST_GRANT + SKEW
        return "unclear" if has_predecessor and may_be_before else "unlogged"
    p = e.payload
    until = e.second + LONGEST_GRANT if p is UNKNOWN else p["validity"]["until"]
    if not e.second - SKEW <= used["second"] < until + SKEW:
        return "untimely"
    grant = UNKNOWN if p is UNKNOWN or not p["under"] else log.begun["g", p["grant"]].payload
    if grant is UNKNOWN:
        return "unclear"
    row = granted_row("ssh-user", p["under"], grant)
    if row["login"] != used["account"]:
        return "elsewhere"
    named = hosts(row["hosts"])
    if grant["hosts"] != "*":
        named = [host for host in named if host in hosts(grant["hosts"])]
    return None if any(may_be_one(host, used["host"]) for host in named) else "unclear"


def is_of(e, used):
    """Whether the host tells of the certificate what the log says of it; without its payload, the leaf's ids."""
    if e.payload is UNKNOWN:
        named = re.fullmatch("(jit-ca:g-[^:]*:i-[^:]*:).*", used["key_id"], re.DOTALL)
        own = [id_text(kind, e.ids[kind]) for kind in "gi" if kind in e.ids]
        return bool(named) and named[1] == ":".join(["jit-ca", *own, ""])
    if e.payload["purpose"] != "ssh-user":
        return False
    c = read_ssh(e.payload["tbs"])
    return (int.from_bytes(c.serial, "big"), c.key_id) == (int(used["serial"]), used["key_id"])


def may_be_one(one, other):
    """Whether two names may be one host's: the same, or one of them with its domain."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")
