"""The export as a file: one form of POSIX ustar, the names in it, and what one part holds ("Export")."""
import itertools
import tarfile

from .reading import Reader, valid


def header(name, size):
    member = tarfile.TarInfo(name)  # mode 0644; no owner, no time
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def read_archive(data):
    """Names and contents, in their order. Each header is made again and compared, so that there is one form."""
    members, at = [], 0
    while data[at:at + 512] != bytes(512):
        block, at = data[at:at + 512], at + 512
        name, prefix = (field.split(b"\0")[0].decode() for field in (block[:100], block[345:500]))
        name, size = f"{prefix}/{name}" if prefix else name, int(block[124:135], 8)
        valid(name and size <= 2**28 and block == header(name, size))
        filled = size + -size % 512
        content = data[at:at + filled]
        valid(content[size:] == bytes(filled - size))
        members.append((name, content[:size]))
        at += filled
    valid(data[at:] == bytes(1024) and len(dict(members)) == len(members))
    valid([name for name, _ in members[:2]] == ["checkpoint", "log.key"])
    return members


def part_names(directory, held):
    """The parts of so many hashes, leaves or payloads: 256 each, the last with its width."""
    for n in range(-(-held // 256)):
        *above, last = (group.zfill(3) for group in f"{n:,}".split(","))
        width = min(256, held - 256 * n)
        path = "/".join([directory, *(f"x{group}" for group in above), last])
        yield path if width == 256 else f"{path}.p/{width}"


def entry_parts(size):
    """For each 256 entries: the names of their hashes, leaves and payloads."""
    return zip(*(part_names(kind, size) for kind in ("tile/0", "tile/entries", "payloads")))


def log_names(size):
    yield from itertools.chain.from_iterable(entry_parts(size))
    for level in range(1, 8):
        yield from part_names(f"tile/{level}", size >> 8 * level)


def records(data, length_bytes):
    """Byte strings behind their lengths, and whether something is left over."""
    reader, found = Reader(data), []
    try:
        while not reader.is_at_end():
            found.append(reader.take(reader.number(length_bytes)))
    except ValueError:
        return found, True
    return found, False
