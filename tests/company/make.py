#!/usr/bin/env python3
"""Makes the policy of a company that does not exist: 500 people, 40 groups, 60 roles.

    tests/company/make.py             writes good/ and bad/ beside this script
    tests/company/make.py --check     says whether what lies there is what it would write

good/ is a whole policy. bad/NAME/ holds the files in which a bad one differs from it, and fault.txt: the one fault
that it has, as `jit-ca policy check` says it. Nothing is random: the same script makes the same files.
"""

import base64
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent

# === people ===

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


# === roles ===


def role(description, default, longest, count, approvers, rows, mfa=None, ticket=False, hosts=None):
    listed = ", ".join(f'"{group}"' for group in approvers)
    lines = [f'description = "{description}"', f'default = "{default}"', f'longest = "{longest}"']
    if ticket:
        lines.append("ticket_required = true")
    if hosts:
        lines.append("hosts = [" + ", ".join(f'"{host}"' for host in hosts) + "]")
    lines += ["", "[approvals]", f"count = {count}", f"from = [{listed}]"]
    if mfa:
        lines += ["", "[mfa]", f'max_age = "{mfa}"']
    for kind, row in rows:
        lines += ["", f"[[{kind}]]"] + [f"{name} = {value}" for name, value in row]
    return "\n".join(lines) + "\n"


def ssh(tag, login, *more):
    return ("ssh", [("tag", f'"{tag}"'), ("login", f'"{login}"'), *more])


PTY = ("extensions", '["permit-pty"]')


def roles():
    for team in TEAMS:  # 54: three for each team
        hosts = [f"{team}{number}" for number in (1, 2, 3)]
        yield f"{team}-logs", role(
            f"Read the logs of {team}", "15m", "2h", 1, [team, "sre"],
            [ssh(f"{team}-logs", "logs", ("force_command", '"journalctl --since=-1h --no-pager"'))], hosts=hosts)
        yield f"{team}-shell", role(
            f"A shell on the hosts of {team}", "30m", "4h", 1, ["leads", "sre"],
            [ssh(f"{team}-shell", "app", PTY)], mfa="8h", hosts=hosts)
        yield f"{team}-api", role(
            f"Call the API of {team}", "30m", "8h", 1, [team, "sre"],
            [("x509", [("service", f'"{team}-api"')])])
    yield "db-console", role(
        "A console on the databases", "15m", "1h", 2, ["dba", "leads"],
        [ssh("db-console", "postgres", PTY)], mfa="30m", ticket=True, hosts=["db1", "db2", "db3"])
    yield "db-read", role(
        "Read a replica of the databases", "30m", "4h", 1, ["dba"],
        [ssh("db-read", "reader", ("force_command", '"psql --no-psqlrc"'))], mfa="8h", hosts=["replica1", "replica2"])
    yield "network-shell", role(
        "A shell on the routers", "30m", "2h", 2, ["network", "sre"],
        [ssh("network-shell", "admin", PTY, ("source_address", '"caller"'))], mfa="1h", hosts=["edge1", "edge2"])
    yield "deploy", role(
        "Ship a release", "15m", "1h", 1, ["release", "leads"],
        [ssh("deploy", "deploy")], mfa="1h", ticket=True, hosts=["build1", "build2"])
    yield "support-desk", role(
        "Look at a customer's account", "15m", "1h", 1, ["support-lead", "security"],
        [("x509", [("service", '"support-desk"')])], mfa="8h", ticket=True)
    yield "vault-shell", role(
        "A shell where the keys are", "10m", "30m", 2, ["security"],
        [ssh("vault-shell", "vault", PTY, ("source_address", '["10.20.0.0/16"]'))],
        mfa="10m", ticket=True, hosts=["vault1"])


# === rules ===


def team_rules():
    lines = ["// What each team may do with what it builds. Made by make.py."]
    for team in TEAMS:
        lines.append(f"""
@id("{team}-asks")
permit (
  principal in Group::"{team}",
  action == Action::"request",
  resource
)
when {{ resource in [Role::"{team}-logs", Role::"{team}-shell", Role::"{team}-api"] }};

@id("{team}-logs-at-once")
permit (
  principal in Group::"{team}",
  action == Action::"skip-approval",
  resource == Role::"{team}-logs"
)
when {{ context.duration <= duration("1h") }};""")
    return "\n".join(lines) + "\n"


RULES = """// What holds for everybody. Made by make.py.

// === who may ask ===

@id("oncall-asks-everywhere")
@description("who is on call helps every team")
permit (
  principal in Group::"oncall-app",
  action == Action::"request",
  resource
)
when { resource.name like "*-shell" || resource.name like "*-logs" }
unless { resource in [Role::"network-shell", Role::"vault-shell"] };

@id("sre-asks")
permit (
  principal in Group::"sre",
  action == Action::"request",
  resource
)
unless { resource in [Role::"db-console", Role::"support-desk", Role::"vault-shell"] };

@id("data-asks")
permit (
  principal,
  action == Action::"request",
  resource
)
when {
  principal in [Group::"dba", Group::"oncall-data"] && resource in [Role::"db-console", Role::"db-read"]
};

@id("leads-read-data")
permit (
  principal in Group::"leads",
  action == Action::"request",
  resource == Role::"db-read"
)
when { context.weekday <= 5 && context.minute >= 8 * 60 && context.minute < 19 * 60 };

@id("network-asks")
permit (
  principal in Group::"network",
  action == Action::"request",
  resource == Role::"network-shell"
);

@id("release-ships")
permit (
  principal in Group::"release",
  action == Action::"request",
  resource == Role::"deploy"
);

@id("support-looks")
permit (
  principal in Group::"support",
  action == Action::"request",
  resource == Role::"support-desk"
)
when { context has ticket && context.ticket like "CASE-*" };

@id("security-opens-the-vault")
permit (
  principal in Group::"security",
  action == Action::"request",
  resource == Role::"vault-shell"
)
when { context.source_address.isInRange(ip("10.20.0.0/16")) };

@id("nobody-ships-at-night")
@description("releases go out between 7 and 20 h, on working days; incident managers decide otherwise")
forbid (
  principal,
  action == Action::"request",
  resource == Role::"deploy"
)
when { context.weekday > 5 || context.minute < 7 * 60 || context.minute >= 20 * 60 }
unless { principal in Group::"incident" };

@id("contractors-stay-out-of-shells")
@description("contractors get a shell through a colleague")
forbid (
  principal in Group::"contractors",
  action in [Action::"request", Action::"skip-approval", Action::"approve", Action::"issue"],
  resource
)
unless { resource.name like "*-logs" };

// === who agrees ===

@id("leads-approve")
permit (
  principal in Group::"leads",
  action == Action::"approve",
  resource
);

@id("colleagues-approve")
permit (
  principal,
  action == Action::"approve",
  resource
)
when { resource.name like "*-logs" || resource.name like "*-api" };

@id("platform-approves")
permit (
  principal,
  action == Action::"approve",
  resource
)
when { principal in [Group::"sre", Group::"dba", Group::"network", Group::"security", Group::"release"] };

@id("support-lead-approves")
permit (
  principal in Group::"support-lead",
  action == Action::"approve",
  resource == Role::"support-desk"
);

@id("data-is-approved-across-teams")
@description("a database administrator does not approve another one's console")
forbid (
  principal in Group::"dba",
  action == Action::"approve",
  resource == Role::"db-console"
)
when { context.requester in Group::"dba" };

// === who takes certificates ===

@id("holders-take")
permit (
  principal,
  action == Action::"issue",
  resource
)
when { context.mfa };

@id("no-vault-from-elsewhere")
@description("the vault is opened from the office alone")
forbid (
  principal,
  action == Action::"issue",
  resource == Role::"vault-shell"
)
unless { context.source_address.isInRange(ip("10.20.0.0/16")) };

// === who looks into the CA ===

@id("auditors-read")
permit (
  principal in Group::"auditors",
  action == Action::"read-log",
  resource
);

@id("privacy-erases")
permit (
  principal in Group::"privacy",
  action == Action::"erase",
  resource
);
"""

# === tests ===


def case(name, subject, action, expect, role=None, rules=None, mfa="5m", **more):
    lines = ["", "[[case]]", f'name = "{name}"', f'subject = "{subject}"', f'action = "{action}"']
    if role:
        lines.append(f'role = "{role}"')
    lines.append(f'mfa_age = "{mfa}"')
    lines += [f'{field.rstrip("_")} = "{value}"' for field, value in more.items()]
    lines.append(f'expect = "{expect}"')
    if rules is not None:
        lines.append("rules = [" + ", ".join(f'"{rule}"' for rule in rules) + "]")
    return "\n".join(lines)


def tests():
    someone = {}
    for _, name, groups in people():
        someone.setdefault(groups[0] if len(groups) == 1 else tuple(groups), name)
    lines = ["# What the rules should decide. Made by make.py."]
    for team in TEAMS:
        who = someone[team]
        lines.append(case(f"{team} asks for its shell", who, "request", "allow", f"{team}-shell", [f"{team}-asks"]))
        lines.append(case(f"{team} reads its logs at once", who, "skip-approval", "allow", f"{team}-logs",
                          [f"{team}-logs-at-once"], duration="1h"))
        lines.append(case("and waits for more than an hour of them", who, "skip-approval", "deny", f"{team}-logs",
                          duration="2h", code="not-permitted"))
    sre, dba, network, support = (someone[group] for group in ("sre", "dba", "network", "support"))
    oncall = next(name for _, name, groups in people() if groups == ["orders", "oncall-app"])
    lead = next(name for _, name, groups in people() if groups[1:] == ["leads"])
    release = next(name for _, name, groups in people() if groups[-1] == "release" and "leads" not in groups)
    incident = next(name for _, name, groups in people() if groups == ["sre", "incident"])
    outside = next(name for _, name, groups in people() if groups == ["orders", "contractors"])
    data = next(name for _, name, groups in people() if groups == ["storage", "oncall-data"])
    other_dba = next(name for _, name, groups in people() if groups[0] == "dba" and name != dba)
    support_lead = next(name for _, name, groups in people() if "support-lead" in groups)
    night = "2026-01-05T23:00:00Z"
    lines += [
        case("who is on call asks another team", oncall, "request", "allow", "search-shell", ["oncall-asks-everywhere"]),
        case("but not for the vault", oncall, "request", "deny", "vault-shell", ticket="OPS-1", code="not-permitted"),
        case("an SRE asks everywhere", sre, "request", "allow", "network-shell", ["sre-asks"]),
        case("a DBA asks for a console", dba, "request", "allow", "db-console", ["data-asks"], ticket="OPS-1"),
        case("who is on call for data, too", data, "request", "allow", "db-read", ["data-asks"]),
        case("a lead reads data by day", lead, "request", "allow", "db-read", ["leads-read-data"]),
        case("and not at night", lead, "request", "deny", "db-read", at=night, code="not-permitted"),
        case("the network's people ask for routers", network, "request", "allow", "network-shell", ["network-asks"]),
        case("a release by day", release, "request", "allow", "deploy", ["release-ships"], ticket="REL-1"),
        case("and not at night", release, "request", "deny", "deploy", ["nobody-ships-at-night"], ticket="REL-1",
             at=night, code="forbidden"),
        case("an incident has no hours", incident, "request", "allow", "deploy", ["sre-asks"], ticket="REL-1", at=night),
        case("support has a case", support, "request", "allow", "support-desk", ["support-looks"], ticket="CASE-1"),
        case("and nothing else", support, "request", "deny", "support-desk", ticket="OPS-1", code="not-permitted"),
        case("security opens the vault from the office", someone["security"], "request", "allow", "vault-shell",
             ["security-opens-the-vault"], ticket="SEC-1", from_="10.20.1.1"),
        case("contractors have no shell", outside, "request", "deny", "orders-shell",
             ["contractors-stay-out-of-shells"], code="forbidden"),
        case("and read logs", outside, "request", "allow", "orders-logs", ["orders-asks"]),
        case("a lead approves a shell", lead, "approve", "allow", "search-shell", ["leads-approve"],
             requester=someone["search"]),
        case("a colleague approves a call", someone["media"], "approve", "allow", "media-api", ["colleagues-approve"],
             requester=sre),
        case("a DBA approves what a lead reads", dba, "approve", "allow", "db-read", ["platform-approves"],
             requester=lead),
        case("but not another one's console", dba, "approve", "deny", "db-console", ["data-is-approved-across-teams"],
             requester=other_dba, code="forbidden"),
        case("support is approved by its lead", support_lead, "approve", "allow", "support-desk",
             ["support-lead-approves"], requester=support),
        case("a holder takes a certificate", oncall, "issue", "allow", "orders-shell", ["holders-take"]),
        case("but none for the vault from home", someone["security"], "issue", "deny", "vault-shell",
             ["no-vault-from-elsewhere"], code="forbidden"),
        case("an auditor reads the log", someone["auditors"], "read-log", "allow", None, ["auditors-read"]),
        case("an SRE does not", sre, "read-log", "deny", code="not-permitted"),
        case("who answers for people's data has somebody erased", someone["privacy"], "erase", "allow", None,
             ["privacy-erases"], mfa="0s"),
    ]
    return "\n".join(lines) + "\n"


# === good and bad ===


def good():
    files = {"users.toml": users(), "policies/teams.cedar": team_rules(), "policies/company.cedar": RULES,
             "policy-tests/company.toml": tests()}
    files.update({f"roles/{name}.toml": text for name, text in roles()})
    return files


def changed(files, path, old, new):
    assert files[path].count(old) == 1, f"{path} has {files[path].count(old)} of {old!r}"
    return {path: files[path].replace(old, new)}


def bad(files):
    """Name, the files that differ, and the fault, with the place worked out from the text that is at fault."""
    rules = "policies/company.cedar"

    def one(name, path, old, new, at, message, hint):
        differ = changed(files, path, old, new)
        line = differ[path][:differ[path].rindex(at)].count("\n") + 1
        differ["fault.txt"] = f"{path}:{line}: {message}\n  hint: {hint}\n"
        return name, differ

    schema = "the schema, schema.cedarschema of jit-ca-policy, says what rules can look at"
    yield one("misspelt-attribute", rules, "context.weekday > 5", "context.week_day > 5", "context.week_day",
              "rule nobody-ships-at-night: attribute `week_day` in context for Action::\"request\" not found",
              "did you mean `weekday`?")
    yield one("misspelt-group", rules, 'principal in Group::"support",', 'principal in Group::"suport",',
              '@id("support-looks")', 'rule support-looks: it names an unknown Group::"suport"',
              "name a group that somebody is in, or remove the rule")
    yield one("misspelt-role", rules, 'resource == Role::"db-read"\n', 'resource == Role::"db-reed"\n',
              '@id("leads-read-data")', 'rule leads-read-data: it names an unknown Role::"db-reed"',
              "name a role that has a file in roles/")
    yield one("wrong-type", rules, "context.minute < 7 * 60", 'context.minute < "07:00"', '"07:00"',
              "rule nobody-ships-at-night: unexpected type: expected Long but saw String", schema)
    yield one("unguarded-ticket", rules, "context has ticket && ", "", "context.ticket like",
              'rule support-looks: unable to guarantee safety of access to optional attribute `ticket` in context for '
              'Action::"request"', "try testing for the attribute's presence with `context has ticket && ..`")
    yield one("syntax", rules, 'context.requester in Group::"dba"', 'context.requester is in Group::"dba"',
              "context.requester is in", "rule data-is-approved-across-teams: unexpected token `Group`",
              "expected `&&`, `(`, `*`, `+`, `-`, `.`, `::`, `[`, `||`, `}`, or `in`")
    first = RULES[:RULES.index('@id("release-ships")')].count("\n") + 1
    head = "// What each team may do with what it builds. Made by make.py.\n"
    again = '@id("release-ships")\npermit (principal in Group::"build", action == Action::"issue", resource);\n'
    yield one("rule-twice", "policies/teams.cedar", head, f"{head}\n{again}", '@id("release-ships")',
              f"rule release-ships: it is already at {rules}:{first}", "give each rule an id of its own")
    yield one("role-too-long", "roles/deploy.toml", 'longest = "1h"', 'longest = "25h"', "longest",
              "`longest` is 25h", "write at most 24h: no grant is longer")
    yield one("too-few-approvers", "roles/vault-shell.toml", "count = 2", "count = 9", "[approvals]",
              "9 approvals are needed, and 4 can be given", "lower `count`, or name more groups in `from`")
    media = files["roles/media-shell.toml"]
    first_row = media[:media.index("[[ssh]]")].count("\n") + 1
    yield one("tag-of-another-role", "roles/orders-shell.toml", 'tag = "orders-shell"', 'tag = "media-shell"', "[[ssh]]",
              f"the tag media-shell stands with other hosts at roles/media-shell.toml:{first_row}",
              "give each set of hosts a tag of its own: a bare tag opens every host that knows it")
    # A test would not find the person who is called otherwise: hers are none.
    first_name, last_name = "lina.berg", "mats.berg"
    yield one("two-of-one-name", "users.toml", f'name = "{last_name}"', f'name = "{first_name}"',
              f'name = "{first_name}"', f"two people are called {first_name}", "give each a name of their own")
    yield one("unknown-rule-in-test", "policy-tests/company.toml", 'rules = ["auditors-read"]',
              'rules = ["auditors-reed"]', 'rules = ["auditors-reed"]', "there is no rule auditors-reed",
              "name rules by their @id")


def wanted():
    files = good()
    tree = {f"good/{path}": text for path, text in files.items()}
    for name, differ in bad(files):
        tree.update({f"bad/{name}/{path}": text for path, text in differ.items()})
    return tree


def main():
    tree = wanted()
    there = {str(path.relative_to(HERE)): path for folder in ("good", "bad")
             for path in sorted((HERE / folder).rglob("*")) if path.is_file()}
    if sys.argv[1:] == ["--check"]:
        wrong = sorted(path for path in tree.keys() | there.keys()
                       if path not in there or there[path].read_text() != tree.get(path))
        if wrong:
            sys.exit("not as make.py writes them: " + ", ".join(wrong))
    elif not sys.argv[1:]:
        for path in there.keys() - tree.keys():
            there[path].unlink()
        for path, text in tree.items():
            (HERE / path).parent.mkdir(parents=True, exist_ok=True)
            (HERE / path).write_text(text)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
