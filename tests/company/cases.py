"""What the company's rules should decide, as policy tests: each rule makes the decision of one."""

from staff import TEAMS, people


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
        case("who is on call breaks the glass", oncall, "break-glass", "allow", "media-shell", ["oncall-breaks-glass"],
             reason="INC-7: orders are lost"),
        case("and says which incident it is", oncall, "break-glass", "deny", "media-shell", code="not-permitted"),
        case("nobody breaks the glass of a call", oncall, "break-glass", "deny", "media-api", code="no-break-glass"),
        case("security reviews it", someone["security"], "review", "allow", "media-shell", ["security-reviews"],
             requester=oncall),
        case("a lead takes a grant away", lead, "revoke", "allow", "media-shell", ["leads-revoke"], requester=oncall),
        case("an incident manager locks", incident, "lock", "allow", None, ["incident-locks"]),
        case("an auditor reads the log", someone["auditors"], "read-log", "allow", None, ["auditors-read"]),
        case("an SRE does not", sre, "read-log", "deny", code="not-permitted"),
        case("who answers for people's data has somebody erased", someone["privacy"], "erase", "allow", None,
             ["privacy-erases"], mfa="0s"),
    ]
    return "\n".join(lines) + "\n"
