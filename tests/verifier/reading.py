"""How a check fails, and how bytes are read: from the front, as base64, as CBOR."""
import base64
import hashlib
from contextlib import contextmanager


class Broken(Exception):
    """The first check that fails: its code, and the entry's index if it has one."""


@contextmanager
def check(code, index=None):
    """What fails in here, by whatever error, is this check: what can't be read does not hold either."""
    try:
        yield
    except Exception as error:
        raise Broken(code, index) from error


def valid(holds):
    if not holds:
        raise ValueError


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    data = base64.b64decode(text, validate=True)
    valid(b64(data) == text)
    return data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def is_at_end(self):
        return self.at == len(self.data)

    def take(self, count):
        self.at += count
        valid(self.at <= len(self.data))
        return self.data[self.at - count:self.at]

    def number(self, width):
        return int.from_bytes(self.take(width), "big")


class Cbor(Reader):
    """RFC 8949, as far as leaves and payloads use it, in its one form."""

    def item(self):
        major, number = self.head()
        if major == 7:
            return {20: False, 21: True, 22: None}[number]
        if major == 0:
            return number
        if major in (2, 3):
            held = self.take(number)
            return held if major == 2 else held.decode()
        if major == 4:
            return [self.item() for _ in range(number)]
        valid(major == 5)
        pairs = [(self.item(), self.item()) for _ in range(number)]
        valid(all(isinstance(key, str) for key, _ in pairs) and len(dict(pairs)) == number)
        return dict(pairs)

    def head(self):
        """A type and a number: in five bits, or in 1, 2, 4 or 8 bytes if it does not fit into less."""
        first = self.number(1)
        major, number = first >> 5, first & 31
        if number >= 24:
            valid(number < 28)
            width = 2 ** (number - 24)
            number = self.number(width)
            valid(number >= (24 if width == 1 else 256 ** (width // 2)))
        return major, number


def read_cbor(data):
    reader = Cbor(data)
    value = reader.item()
    valid(reader.is_at_end())
    return value
