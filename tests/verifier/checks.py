"""The checks of an entry ("Verifying a log"), in the order of the page's table: of all entries, then of each type."""
from .certificates import LOGIN_IN_USE, check_intent
from .log import DAEMON, step_of
from .payloads import NEVER_ERASED, PAYLOADS, fits
from .reading import b64, read_cbor, sha256, valid
from .signatures import PURPOSES, der_key, kind_of, sshsig_holds, verifies
from .values import UNKNOWN, digest, duration, id_text, statement

DELAY = 10  # seconds between what is decided and its entry
LEAST_KEPT = 30 * 86400  # what people did goes no sooner without somebody's order
# Who decides something is allowed to by the policy: this action. A rule's approval is `skip-approval`.
ACTIONS = {"request": "request", "approval": "approve", "denial": "approve", "erase.order": "erase"}


def check_entry(log, e):
    with e.check("hash"):
        valid(sha256(b"\0", e.bytes) == e.hash)
    with e.check("leaf"):
        e.leaf = read_cbor(e.bytes)
        fits(e.leaf, "leaf")
        e.type, e.actor, e.ids, e.second = e.leaf["type"], e.leaf["actor"], e.leaf["ids"], e.leaf["ts_ms"] // 1000
        valid(e.leaf["idx"] == e.index)
        valid(e.index == 0 or e.type == "clock.ack" or e.leaf["ts_ms"] >= log.entries[-1].leaf["ts_ms"])
    with e.check("payload"):
        valid(("tbs" in e.leaf) == (e.type == "issue.intent"))
        valid(e.leaf.get("bundle") == (None if e.type in ("issue.done", "issue.failed") else log.bundle))
        if e.record:
            read_payload(e, e.record[:32], e.record[32:])
    with e.check("init"):
        valid((e.index == 0) == (e.type == "log.init"))
        if e.index == 0 and e.payload is not UNKNOWN:
            check_keys(log, e.payload)
    with e.check("clock"):
        valid(e.type not in ("clock.fault", "clock.ack") or (e.actor == DAEMON and log.clock_is_right == (e.type == "clock.fault")))
        valid(e.type != "issue.intent" or e.actor == DAEMON or log.clock_is_right)
    if e.type == "approval" and not e.record:
        with e.check("approval"):
            valid(log.request(e) is None or e.actor != log.request(e).actor)
    if e.payload is not UNKNOWN:  # it is there, and of a known type
        check_who(log, e, e.payload)
        if e.type in BY_TYPE:
            BY_TYPE[e.type](log, e, e.payload)


def read_payload(e, salt, payload):
    valid(len(salt) == 32 and sha256(b"jit-ca/payload/v1\0", salt, payload) == e.leaf["commit"])
    if e.type in PAYLOADS:
        e.payload = p = read_cbor(payload)
        fits(p, e.type)
        e.acts = acts(e.type, p)
        if e.type.startswith("issue."):  # whose ids stand in the leaf alone
            p["issuance"], p["grant"] = e.ids["i"], e.ids.get("g")
            valid("under" not in p or (p["under"] is None) == (p["grant"] is None))
        ids = {"g": p.get("grant"), "i": p.get("issuance"), "r": p.get("request")}
        valid({name: value for name, value in ids.items() if value} == e.ids)
        valid("tbs" not in p or sha256(p["tbs"]) == e.leaf["tbs"])


def acts(entry_type, p):
    """The subject that acts, where the payload names it."""
    if entry_type in ("person", "mfa.enrolled", "mfa.kept", "login", "logout", "refusal", "request"):
        return p["subject"]
    by = p.get("by")  # of an approval, or who denies or orders
    return by.get("person", {}).get("subject") if isinstance(by, dict) else by


def check_keys(log, p):
    keys = {key["purpose"]: key["spki"] for key in p["keys"]}
    valid(p["origin"] == log.checkpoint.origin and keys["log"] == log.key.spki)
    valid(len(p["keys"]) == len(keys) == len(set(keys.values())))
    valid({purpose: kind_of(spki) for purpose, spki in keys.items()} == PURPOSES)


# === People ===

def check_who(log, e, p):
    with e.check("subject"):
        if e.type == "subject":
            known = [subject for subject in log.actors.values() if subject is not UNKNOWN]
            valid(p["actor"] == e.actor != DAEMON and log.actors.get(e.actor, UNKNOWN) is UNKNOWN and p["subject"] not in known)
        valid(e.acts is None or log.actors.get(e.actor) == e.acts)
        valid(e.type != "mfa.kept" or log.succeeds is not None)
    with e.check("bundle"):
        valid(e.type != "bundle" or not log.parts_known or log.bundle_hash(p["zone"]) == p["hash"])
    with e.check("decision"):
        if e.type in ACTIONS:
            action = ACTIONS[e.type] if e.acts else "skip-approval"
            facts, subject = p["decision"]["facts"], e.acts or log.asked(e)["subject"]
            valid(p["decision"]["decision"]["outcome"] == "allow")
            valid(facts["action"] == action and facts["subject"] == subject)
    with e.check("login"):
        if e.type in ("login", "erase.order", "mfa.kept"):
            valid(step_of(p) is None or step_of(p) > log.steps.get(e.acts, -1))
        if e.type in ("login", "erase.order"):
            key = p["key"] if e.type == "login" else p["signature"]["key"]
            valid(is_key_of(log.person(e), key) and log.person(e)["name"] == p["name"])
        if e.type == "login":
            valid(p["challenge"] not in log.challenges and p["window"]["end"] - p["window"]["start"] <= 12 * 3600)
            valid(abs(p["window"]["start"] - e.second) <= DELAY)
            code = p["factor"].get("enrolment-code")
            valid(code is None or log.is_any_gone("mfa.code") or log.codes.get(e.acts) == code["code"])
        if e.type == "mfa.enrolled":
            login = log.logins.get(p["login"])
            valid(login.acts == e.acts if login else log.is_gone("login", e, LOGIN_IN_USE))


def is_key_of(person, key):
    return person is UNKNOWN or (person is not None and any(
        line.split(" ")[1:2] == [b64(key)] for line in person["ssh_keys"]))


def check_login(log, e, p):
    with e.check("signature"):
        valid(log.pin is UNKNOWN or sshsig_holds(
            p["key"], p["signature"], "login", origin=log.origin, pin=digest(log.pin), subject=p["name"],
            challenge=p["challenge"], login_key=digest(p["login_key"])))


def check_logout(log, e, p):
    with e.check("state"):
        login = log.logins.get(p["login"])
        valid(log.is_gone("login", e, LOGIN_IN_USE) if login is None else
              login.is_open and login.payload["subject"] == p["subject"])


# === Requests and grants ===

def check_request(log, e, p):
    with e.check("request"):
        said = statement("request", origin=log.origin, request=id_text("r", p["request"]), subject=p["subject"],
                         role=p["role"], row=p["rows"], hosts=p["hosts"], duration=p["duration"], start=p["start"],
                         reason=p["reason"], ticket=p["ticket"], bundle=digest(p["bundle"]))
        valid(("r", p["request"]) not in log.begun and (said is UNKNOWN or p["hash"] == sha256(said)))
        valid(p["bundle"] == log.bundle and log.person(e) is not None and abs(p["made"] - e.second) <= DELAY)
        valid(log.policy is None or f"roles/{p['role']}.toml" in log.policy)


def check_pending(log, e, p):
    with e.check("state"):
        request = log.begun["r", p["request"]]
        valid(request.is_open)
        valid(e.type not in ("approval", "grant") or e.second - DELAY < request.payload["lapses"])
        valid(e.type not in ("cancel", "lapse") or e.actor == (request.actor if e.type == "cancel" else DAEMON))


def check_approval(log, e, p):
    signature = p["signature"]
    with e.check("signature"):
        valid(e.acts is None or signature is None or sshsig_holds(
            signature["key"], signature["sshsig"], "approval", origin=log.origin, request=digest(p["hash"]),
            duration=p["duration"], row=p["rows"]))
    check_pending(log, e, p)
    with e.check("approval"):
        request, asked = log.begun["r", p["request"]], log.asked(e)
        if e.acts is None:
            valid(signature is None and e.actor == DAEMON and p["by"]["rules"])
            valid(all(is_rule(log.policy, rule) for rule in p["by"]["rules"]))
        else:
            valid(asked is UNKNOWN or e.acts != asked["subject"])
            valid(e.acts not in [approval.acts for approval in request.approvals])
            valid(is_key_of(log.person(e), signature["key"]))
        valid(p["rows"] and p["hash"] == asked["hash"])
        if asked is not UNKNOWN:
            valid(set(p["rows"]) <= set(asked["rows"]) and duration(p["duration"]) <= duration(asked["duration"]))


def is_rule(policy, name):
    return policy is None or any(
        path.startswith("policies/") and f'@id("{name}")' in text for path, text in policy.items())


def check_grant(log, e, p):
    """Who approved is told by leaves, whatever is erased; what they approved as far as it is known."""
    check_pending(log, e, p)
    with e.check("grant"):
        request, asked, length = log.request(e), log.asked(e), p["window"]["end"] - p["window"]["start"]
        valid(("g", p["grant"]) not in log.begun and abs(p["window"]["start"] - e.second) <= DELAY)
        valid(all(p[name] == asked[name] for name in ("subject", "role", "hosts")))
        approvals = [approval.payload for approval in request.approvals if approval.record]
        by_rules = any("rules" in approval.payload["by"] if approval.record else approval.actor == DAEMON
                       for approval in request.approvals)
        people = {approval.actor for approval in request.approvals} - {DAEMON, request.actor}
        valid(by_rules or len(people) >= (1 if asked is UNKNOWN else max(1, asked["approvals"])))
        for bound in approvals if asked is UNKNOWN else [asked, *approvals]:
            valid(set(p["rows"]) <= set(bound["rows"]) and length <= duration(bound["duration"]))
        if len(approvals) == len(request.approvals):
            kept = [row for row in asked["rows"] if all(row in approval["rows"] for approval in approvals)]
            valid(asked is UNKNOWN or p["rows"] == kept)
            valid(length == min(duration(approval["duration"]) for approval in approvals))


def check_grant_end(log, e, p):
    with e.check("state"):
        grant = log.begun["g", p["grant"]]
        valid(e.actor == DAEMON and grant.is_open and grant.ids.get("r") == p["request"] and grant.payload["window"]["end"] == p["ended"])


def check_outcome(log, e, p):
    intent = log.begun.get(("i", p["issuance"]))
    if e.type == "issue.done" and intent and intent.is_open:
        with e.check("signature"):
            said = intent.payload
            valid(log.keys is UNKNOWN or said is UNKNOWN or verifies(
                der_key, log.keys[said["purpose"]], p["signature"], said["tbs"]))
    with e.check("state"):
        valid(intent.is_open and (intent.ids.get("g"), intent.actor) == (p["grant"], e.actor))


# === Erasure ===

def check_erase(log, e, p):
    before, cause, ranges = log.entries[-1], p["cause"], p["entries"]
    with e.check("signature"):
        if "subject" in cause and before.type == "erase.order" and before.payload is not UNKNOWN:
            order = before.payload["signature"]
            valid(sshsig_holds(order["key"], order["sshsig"], "erasure", origin=log.origin,
                               actor=cause["subject"].hex(), reason=p["reason"], entries=ranges_text(ranges)))
    with e.check("erase"):
        behind = 0
        for first, last in ranges:
            valid(behind <= first <= last < e.index)
            valid(not any(each.record or each.type in NEVER_ERASED for each in log.entries[first:last + 1]))
            valid(not any(first <= newest <= last for newest in log.newest.values()))
            behind = last + 1
        if "subject" in cause:
            valid(before.type == "erase.order" and behind < e.index)
        else:
            valid(cause["retention"] <= e.second - LEAST_KEPT)
            valid(not ranges or log.entries[behind - 1].leaf["ts_ms"] < 1000 * cause["retention"])


def ranges_text(ranges):
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


BY_TYPE = {
    "login": check_login, "logout": check_logout, "request": check_request, "approval": check_approval,
    "denial": check_pending, "cancel": check_pending, "lapse": check_pending, "grant": check_grant,
    "grant.end": check_grant_end, "issue.intent": check_intent, "issue.done": check_outcome,
    "issue.failed": check_outcome, "erase": check_erase}
