"""Values and their text forms ("Values"), and the statements that are signed ("Statements")."""
import calendar
import ipaddress
import re
from datetime import datetime

from .reading import b64, valid


class Unknown:
    """What only a payload says that is gone. It never fails a check, and what it holds is unknown too."""

    def __eq__(self, other):
        return True

    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __add__ = __sub__ = lambda self, other: self
    __hash__ = None  # it is in no set, and no key of a map

    def __getitem__(self, name):
        return self

    def __contains__(self, item):
        return True

    def __iter__(self):
        return iter(())


UNKNOWN = Unknown()


def digest(data):
    return "SHA256:" + b64(data).rstrip("=")


def id_text(prefix, data):
    bits = int.from_bytes(data, "big")
    return prefix + "-" + "".join("0123456789abcdefghjkmnpqrstvwxyz"[bits >> 5 * n & 31] for n in reversed(range(26)))


def statement(kind, /, **values):
    """Lines `name: value`; of a list one for each, of None none. Unknown if a value is."""
    if any(value is UNKNOWN for value in values.values()):
        return UNKNOWN
    lines = [f"jit-ca {kind} v1\n"]
    for name, value in values.items():
        held = value if isinstance(value, list) else [] if value is None else [value]
        lines += [f"{name.replace('_', '-')}: {each}\n" for each in held]
    return "".join(lines).encode()


def duration(text):
    """Seconds of a duration such as `1h30m`, if it is written in the one way."""
    lengths = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    total = sum(int(count) * lengths[unit] for count, unit in re.findall("([0-9]+)([dhms])", text))
    days = total // 86400 if total >= 2 * 86400 else 0
    hours, rest = divmod(total - days * 86400, 3600)
    parts = [f"{count}{unit}" for count, unit in zip((days, hours, *divmod(rest, 60)), lengths) if count]
    valid(text == ("".join(parts) or "0s"))
    return total


def line(text):
    """One honest line: nothing in it ends a line, turns the direction of text or has no width."""
    unseen = ("\0-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
              "\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f")
    valid(0 < len(text) <= 500 and text.strip() == text and not re.search(f"[{unseen}]", text))


def in_order(items):
    valid(items == sorted(set(items)))


def hosts(text):
    label = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    names = text.split(",")
    in_order(names)
    valid(all(len(name) <= 63 and re.fullmatch(rf"{label}(\.{label})*", name) for name in names))
    return names


def networks(text):
    found = [ipaddress.ip_network(name) for name in text.split(",")]
    in_order([(network.version, int(network[0]), network.prefixlen) for network in found])
    valid(",".join(map(str, found)) == text)
    return found


def start(text):
    form = "at %Y-%m-%dT%H:%M:%SZ"
    valid(text in ("at-approval", "first-use") or datetime.strptime(text, form).strftime(form) == text)


def start_time(text):
    """The second of a start at a time; None of another."""
    return calendar.timegm(datetime.fromisoformat(text[3:-1]).timetuple()) if text.startswith("at ") else None


TAG = "[a-z_][a-z0-9_-]{0,62}"
ROW = re.compile(rf"(?P<kind>ssh|x509) (?P<name>{TAG})( login=(?P<login>[a-z_][a-z0-9_-]{{0,31}}) hosts=(?P<hosts>[^ ]+)"
                 r"( extensions=(?P<extensions>permit-port-forwarding|(permit-port-forwarding,)?permit-pty))?"
                 r"( source-address=(?P<source>[^ ]+))?( force-command=(?P<command>.+))?)?")


def row(text):
    """The parts of a row."""
    found = ROW.fullmatch(text)
    valid(found and (found["kind"] == "ssh") == (found["hosts"] is not None))
    if found["hosts"]:
        hosts(found["hosts"])
    if found["source"] not in (None, "caller"):
        networks(found["source"])
    if found["command"] is not None:
        line(found["command"])
    return found
