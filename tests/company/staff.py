"""Who works at the company: 500 people in 40 groups."""

import base64
import hashlib
import struct

FIRST = """ada ben cleo dan eva finn gina hugo iris jon kai lea max nina otto pia quin rosa sam tess ugo vera will xena yann
zoe ali bea cem dora emil fay gus hana ivo jana karl lina mats nora""".split()
LAST = """abel berg cole dahl ek fox gray hahn iver jung koch lund mohr nagy odell park quist rossi stern thom""".split()

# 18 teams that build something, each with a group of its own, and what they build.
TEAMS = """orders payments catalog search accounts billing shipping returns pricing stock mobile web emails reports fraud
loyalty partners media""".split()
# What people are besides, or instead.
PLATFORM = ["sre", "dba", "network", "storage", "observability", "build"]
DUTY = ["oncall-app", "oncall-platform", "oncall-data", "leads", "release", "incident", "support-lead"]
OFFICE = ["support", "desk", "finance", "legal", "sales"]
OVERSIGHT = ["auditors", "security", "privacy", "contractors"]
GROUPS = TEAMS + PLATFORM + DUTY + OFFICE + OVERSIGHT


def key(number):
    """A public key that nobody has the private one of."""
    point = hashlib.sha256(f"person {number}".encode()).digest()
    fields = [b"ssh-ed25519", point]
    blob = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    return "ssh-ed25519 " + base64.b64encode(blob).decode()


def people():
    for number in range(500):
        # Two of each first name have the same last one, so that names are counted on.
        name = f"{FIRST[number % 40]}.{LAST[number // 40 % 20]}"
        groups = []
        if number < 324:  # 18 teams of 18
            groups.append(TEAMS[number % 18])
            if number % 18 == number // 18:
                groups.append("leads")
            if number % 7 == 0:
                groups.append("oncall-app")
            if number % 23 == 0:
                groups.append("release")
        elif number < 396:  # 72 who run what they build
            groups.append(PLATFORM[number % 6])
            if number % 5 == 0:
                groups.append("oncall-data" if number % 6 == 3 else "oncall-platform")
            if number % 9 == 0:
                groups.append("incident")
        elif number < 470:  # 74 in the office
            groups.append(OFFICE[number % 5])
            if number % 12 == 0:
                groups.append("support-lead")
        elif number < 482:  # 12 who look at the others
            groups.append(OVERSIGHT[number % 3])
        else:  # 18 from outside, each working with a team
            groups += [TEAMS[number % 18], "contractors"]
        yield number, name, groups


def users():
    lines = ["# The people of a company that does not exist. Made by make.py.", "", 'zone = "Europe/Berlin"']
    for number, name, groups in people():
        listed = ", ".join(f'"{group}"' for group in dict.fromkeys(groups))
        lines += [
            "",
            "[[person]]",
            f'id = "u-{number + 1001}"',
            f'name = "{name}"',
            f"groups = [{listed}]",
            f'ssh_keys = ["{key(number)}"]',
        ]
    return "\n".join(lines) + "\n"
