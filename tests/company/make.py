#!/usr/bin/env python3
"""Makes the policy of a company that does not exist: 500 people, 40 groups, 60 roles.

    tests/company/make.py             writes good/ and bad/ beside this script
    tests/company/make.py --check     says whether what lies there is what it would write

good/ is a whole policy. bad/NAME/ holds the files in which a bad one differs from it, and fault.txt: the one fault
that it has, as `jit-ca policy check` says it. Nothing is random: the same script makes the same files.
"""

import pathlib
import sys

sys.dont_write_bytecode = True

from cases import tests  # noqa: E402
from staff import TEAMS, users  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent

# === roles ===


def role(description, default, longest, quorums, rows, mfa=None, ticket=None, hosts=None, more=()):
    lines = [f'description = "{description}"', f'default = "{default}"', f'longest = "{longest}"']
    if ticket:
        lines.append(f'ticket = "{ticket}"')
    if hosts:
        lines.append("hosts = [" + ", ".join(f'"{host}"' for host in hosts) + "]")
    for count, *approvers in quorums:
        listed = ", ".join(f'"{group}"' for group in approvers)
        lines += ["", "[[approvals]]", f"count = {count}", f"from = [{listed}]"]
    lines += more
    if mfa:
        lines += ["", "[mfa]", f'max_age = "{mfa}"']
    for kind, row in rows:
        lines += ["", f"[[{kind}]]"] + [f"{name} = {value}" for name, value in row]
    return "\n".join(lines) + "\n"


def ssh(tag, login, *more):
    return ("ssh", [("tag", f'"{tag}"'), ("login", f'"{login}"'), *more])


PTY = ("extensions", '["permit-pty"]')


def emergencies(longest, *tell):
    return ["", "[break_glass]", f'longest = "{longest}"', "tell = [" + ", ".join(f'"{group}"' for group in tell) + "]"]


def roles():
    for team in TEAMS:  # 54: three for each team
        hosts = [f"{team}{number}" for number in (1, 2, 3)]
        yield f"{team}-logs", role(
            f"Read the logs of {team}", "15m", "2h", [(1, team, "sre")],
            [ssh(f"{team}-logs", "logs", ("force_command", '"journalctl --since=-1h --no-pager"'))], hosts=hosts)
        yield f"{team}-shell", role(
            f"A shell on the hosts of {team}", "30m", "4h", [(1, "leads", "sre")],
            [ssh(f"{team}-shell", "app", PTY)], mfa="8h", hosts=hosts, more=emergencies("1h", "leads", "security"))
        yield f"{team}-api", role(
            f"Call the API of {team}", "30m", "8h", [(1, team, "sre")],
            [("x509", [("service", f'"{team}-api"')])])
    ticket = "[A-Z]+-[0-9]+"
    yield "db-console", role(
        "A console on the databases", "15m", "1h", [(1, "dba"), (1, "leads")],
        [ssh("db-console", "postgres", PTY)], mfa="30m", ticket=ticket, hosts=["db1", "db2", "db3"],
        more=["", "[limits]", "grants_per_day = 3", "certificates = 20"])
    yield "db-read", role(
        "Read a replica of the databases", "30m", "4h", [(1, "dba")],
        [ssh("db-read", "reader", ("force_command", '"psql --no-psqlrc"'))], mfa="8h", hosts=["replica1", "replica2"])
    yield "network-shell", role(
        "A shell on the routers", "30m", "2h", [(2, "network", "sre")],
        [ssh("network-shell", "admin", PTY, ("source_address", '"caller"'))], mfa="1h", hosts=["edge1", "edge2"])
    yield "deploy", role(
        "Ship a release", "15m", "1h", [(1, "release", "leads")],
        [ssh("deploy", "deploy")], mfa="1h", ticket="REL-[0-9]+", hosts=["build1", "build2"])
    yield "support-desk", role(
        "Look at a customer's account", "15m", "1h", [(1, "support-lead", "security")],
        [("x509", [("service", '"support-desk"')])], mfa="8h", ticket=ticket)
    yield "vault-shell", role(
        "A shell where the keys are", "10m", "30m", [(2, "security")],
        [ssh("vault-shell", "vault", PTY, ("source_address", '["10.20.0.0/16"]'))],
        mfa="10m", ticket=ticket, hosts=["vault1"])


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


# What holds for everybody is written by hand.
RULES = (HERE / "company.cedar").read_text()

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
    yield one("too-few-approvers", "roles/vault-shell.toml", "count = 2", "count = 9", "[[approvals]]",
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
