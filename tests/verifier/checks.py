"""The checks of an entry ("Verifying a log"), in the order of the page's table: of all entries, then of each type."""
from .certificates import LOGIN_IN_USE, check_intent, check_login_open, is_login_open
from .grants import (
    check_grant_end, check_grant_revoke, check_grant_start, check_lock, check_locked, check_review)
from .hosts import check_enrolled, check_host_login, check_revoked, check_token as check_host_token
from .log import DAEMON, step_of
from .passkeys import assertion_of, check_counter, check_signed, find, read_registration
from .payloads import NEVER_ERASED, PAYLOADS, fits
from .reading import read_cbor, sha256, valid
from .requests import check_approval, check_grant, check_pending, check_request, is_key_of, is_near
from .resets import check_code, check_reset, may_have_factor
from .sessions import check_close, check_open, check_watched
from .signatures import PURPOSES, der_key, is_user_verified, kind_of, sshsig_holds, verifies
from .values import UNKNOWN, digest, statement

CLOCKS_APART = 60  # an issuer's and the CA's
# What is done over others, which workloads never do.
OVER_OTHERS = ("approval", "break-glass", "review", "denial", "grant.revoke", "lock", "unlock", "bundle.approval",
               "mfa.reset.asked", "mfa.reset.withdrawn", "mfa.reset", "erase.order", "session.watched")
LEAST_KEPT = 30 * 86400  # what people did goes no sooner without somebody's order
# What the policy was asked about where an entry holds its decision. A rule's approval is `skip-approval`.
ACTIONS = {"request": "request break-glass", "approval": "approve", "break-glass": "break-glass", "review": "review",
           "denial": "approve revoke", "grant.start": "request", "grant.end": "request skip-approval",
           "grant.revoke": "revoke",
           "lock": "lock", "unlock": "lock", "erase.order": "erase",
           "bundle.approval": "administer", "mfa.reset.asked": "administer", "mfa.reset.withdrawn": "administer",
           "mfa.reset": "administer", "host.token": "enrol-host", "host.revoked": "lock", "session.watched": "watch read-log"}


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
    with e.check("sequence"):
        before = log.entries[-1] if log.entries else e
        valid(before.type != "break-glass" or (e.type, e.ids.get("r")) == ("grant", before.ids.get("r")))
        valid(before.type != "bundle.approval" or e.type == "bundle")
        valid(before.type != "grant.start" or before.actor == DAEMON or
              (e.type, e.ids.get("g")) == ("issue.intent", before.ids.get("g")))
    if e.type == "approval" and not e.record:
        with e.check("approval"):
            valid(log.request(e) is None or e.actor != log.request(e).actor)
    if e.payload is not UNKNOWN:  # it is there, and of a known type
        check_who(log, e, e.payload)
        if e.type in BY_TYPE:
            BY_TYPE[e.type](log, e, e.payload)
        check_locked(log, e, e.payload)


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
    if entry_type in ("person", "mfa.enrolled", "mfa.kept", "passkey.added", "passkey.removed", "login", "login.token", "login.certificate",
                      "host.enrolled", "login.host", "host.revoked", "page.login", "login.step-up", "logout", "refusal", "request", "subject.vouched",
                      "session.open", "session.close"):
        return p["subject"]
    by = p.get("by")  # of an approval or a lock, or who denies, reviews, revokes or orders
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
        if e.type == "subject.vouched":
            issuer, _, sub = p["subject"].partition("/")
            valid(issuer != "local" and p["name"].partition("@")[2] == issuer and log.has_issuer(p["subject"]))
        if e.type in OVER_OTHERS and log.vouched.get(e.actor, UNKNOWN) is not UNKNOWN:
            valid(not log.is_workload(e))
        if e.type == "host.revoked":
            valid(not any(log.vouched.get(actor, UNKNOWN) is not UNKNOWN and log.vouched[actor]["kind"] == "workload"
                          for actor in log.actors_of(p["by"])))
    with e.check("bundle"):
        if e.type == "bundle":
            check_bundle(log, e, p)
    with e.check("decision"):
        decided = p["by"].get("person", {}).get("decision") if e.type in ("lock", "unlock", "mfa.reset") else p.get("decision")
        if e.type in ACTIONS and decided:
            actions = "skip-approval" if e.type == "approval" and e.acts is None else ACTIONS[e.type]
            facts, subject = decided["facts"], p["by"] if e.type == "host.revoked" else e.acts or log.asked(e)["subject"]
            valid(decided["decision"]["outcome"] == ("deny" if e.type == "grant.end" else "allow"))
            if e.type == "session.watched":
                actions = "read-log" if p["grant"] is None else "watch"
            valid(facts["action"] in actions.split(" ") and facts["subject"] == subject)
        for each in p["approvals"] if e.type == "grant.start" else []:
            valid(each["decision"]["outcome"] == "allow" and each["facts"]["action"] in ("approve", "skip-approval"))
            valid(each["facts"]["action"] == "approve" or each["facts"]["subject"] == log.asked(e)["subject"])
        if e.type == "refusal":
            valid((p["decision"] is None) == (p["bundle"] is None))
            valid(p["bundle"] is None or p["bundle"] in log.bundles)
    with e.check("login"):
        if e.type in ("login", "erase.order", "mfa.kept"):
            valid(step_of(p) is None or (step_of(p) > log.steps.get(e.acts, -1) and may_have_factor(log, e)))
        if e.type in ("login", "erase.order"):
            key = p["key"] if e.type == "login" else p["signature"]["key"]
            valid(is_key_of(log.person(e), key) and log.person(e)["name"] == p["name"])
        if e.type == "erase.order" and p["step"] is None:
            valid(is_user_verified(p["signature"]["sshsig"]))
        if e.type == "page.login":
            valid(log.person(e)["name"] == p["name"])
        if e.type in ("login", "page.login"):
            valid(p["challenge"] not in log.challenges and p["window"]["end"] - p["window"]["start"] <= 12 * 3600)
            valid(is_near(e, p["window"]["start"]))
        if e.type == "login":
            if p["factor"] == "security-key":
                valid(is_user_verified(p["signature"]))
            code = p["factor"].get("enrolment-code") if isinstance(p["factor"], dict) else None
            valid(code is None or log.codes_are_partial or log.codes.get(e.acts) == code["code"])
        if e.type == "login.token":
            check_token(log, e, p)
        if e.type == "login.certificate":
            check_by_certificate(log, e, p)
        if e.type == "mfa.enrolled":
            login = log.logins.get(p["login"])
            valid(login.acts == e.acts and is_login_open(login, e) if login else log.is_gone("login", e, LOGIN_IN_USE))


def check_token(log, e, p):
    """Each is used once. A person's answers a challenge, and a workload has no second factor."""
    window = p["window"]
    valid(not p["subject"].startswith("local/") and p["token"] not in log.tokens)
    valid(p["challenge"] is None or p["challenge"] not in log.challenges)
    valid(p["confirmed_from"] is None or p["challenge"] is not None)
    valid(window["end"] - window["start"] <= 12 * 3600 and is_near(e, window["start"]))
    valid(p["mfa_at"] is None or p["mfa_at"] <= e.second + CLOCKS_APART)
    valid(e.second < p["expires"] + CLOCKS_APART + 60)
    person = log.person(e)
    valid(person is not None and person["name"] == p["name"])
    if person is not UNKNOWN:
        valid((p["challenge"] is None) == log.is_workload(e) and not (log.is_workload(e) and p["mfa_at"]))


def check_by_certificate(log, e, p):
    """A certificate that a workload got stands in for a token, for 30 days at most since the last one."""
    person = log.person(e)
    valid(log.is_workload(e) and person is not None and person["name"] == p["name"])
    intent = log.begun.get(("i", p["certificate"]))
    valid(intent and intent.actor == e.actor and log.begun["g", intent.ids["g"]].is_open)
    if intent.payload is not UNKNOWN:
        validity, by = intent.payload["validity"], log.logins.get(intent.payload["under"]["login"])
        valid(intent.payload["purpose"] == "x509-clients" and validity["from"] <= p["window"]["start"] < validity["until"])
        valid(by is None or by.vouched == p["since"])
    window = p["window"]
    valid(p["since"] <= window["start"] and window["end"] <= p["since"] + 30 * 24 * 3600)
    valid(window["end"] - window["start"] <= 12 * 3600 and is_near(e, window["start"]))


def check_bundle(log, e, p):
    is_whole, before = log.bundle_hash(p["zone"]) == p["hash"], log.entries[-1]
    valid(is_whole or not log.parts_known)
    if before.type == "bundle.approval":
        valid(p["approved"] == before.actor and p["hash"] == before.payload["hash"])
    else:
        valid(p["approved"] is None)
    if is_whole and log.before:
        files, people = ([new.keys() - old.keys(), {name for name in new.keys() & old.keys() if new[name] != old[name]},
                          old.keys() - new.keys()] for old, new in zip(log.before, log.parts()))
        valid(list(p["changes"]["files"].values()) == list(map(len, files)))
        valid(list(map(set, p["changes"]["people"].values())) == people)


def check_activation(log, e, p):
    with e.check("bundle"):
        person = log.person(e)
        valid(person is not None and person["name"] == p["name"] and log.proposed is not None and log.proposed == p["hash"])
    with e.check("under"):
        check_login_open(log, e, p["login"], e.acts)


def check_login(log, e, p):
    assertion = assertion_of(e, p)
    with e.check("login"):
        if assertion:
            check_counter(log, e, assertion)
    with e.check("signature"):
        if log.pin is not UNKNOWN:
            said = {"origin": log.origin, "pin": digest(log.pin), "subject": p["name"], "challenge": p["challenge"],
                    "login_key": digest(p["login_key"])}
            valid(sshsig_holds(p["key"], p["signature"], "login", **said))
            if assertion:
                check_signed(log, assertion, statement("login", **said))


def check_logout(log, e, p):
    with e.check("state"):
        login = log.logins.get(p["login"])
        are_gone = log.is_gone("login", e, LOGIN_IN_USE) or log.is_gone("page.login", e, LOGIN_IN_USE)
        valid(are_gone if login is None else
              login.is_open and login.payload["subject"] == p["subject"])


# === Passkeys ===

def check_passkey(log, e, p):
    added = e.type == "passkey.added"
    if added:
        challenge = statement("passkey", origin=log.origin, subject=p["subject"], label=p["label"],
                              login=p["login"].hex(), challenge=p["challenge"])
    with e.check("login"):
        if not added:
            find(log, e, p["passkey"])
        else:
            valid(p["challenge"] not in log.challenges)
            valid(p["consent"] or log.may_be_reset or not any(each.actor == e.actor for each in log.passkeys.values()))
            if p["consent"]:
                check_counter(log, e, p["consent"])
    with e.check("signature"):
        if added:
            passkey = read_registration(p["registration"], challenge, p["party"]).id
            valid(passkey not in log.passkeys or log.may_be_reset)
            if p["consent"]:
                check_signed(log, p["consent"], challenge)
    with e.check("under"):
        check_login_open(log, e, p["login"], e.acts)


def check_page_login(log, e, p):
    with e.check("login"):
        check_counter(log, e, p["assertion"])
    with e.check("signature"):
        check_signed(log, p["assertion"], statement("page-login", origin=log.origin, challenge=p["challenge"]))


def check_step_up(log, e, p):
    with e.check("login"):
        login = log.logins.get(p["login"])
        valid(p["challenge"] not in log.challenges
              and (log.vouched.get(e.actor, UNKNOWN) is UNKNOWN or not log.is_workload(e)))
        valid(login.acts == e.acts and is_login_open(login, e) and login.type != "page.login"
              and (login.has_factor or "key" not in login.payload) if login else log.is_gone("login", e, LOGIN_IN_USE))
        check_counter(log, e, p["assertion"])
    with e.check("signature"):
        check_signed(log, p["assertion"], statement("step-up", origin=log.origin, subject=p["subject"],
                                                    login=p["login"].hex(), challenge=p["challenge"]))


def check_login_end(log, e, p):
    with e.check("state"):
        login = log.logins.get(p["login"])
        valid(e.actor == DAEMON)
        valid(log.is_any_gone("login") if login is None else
              login.is_open and "token" in login.payload and login.payload["subject"] == p["subject"])


# === Certificates ===

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
    "mfa.code": check_code, "mfa.reset.asked": check_reset, "mfa.reset.withdrawn": check_reset, "mfa.reset": check_reset,
    "bundle.approval": check_activation, "login": check_login, "passkey.added": check_passkey,
    "passkey.removed": check_passkey, "page.login": check_page_login, "login.step-up": check_step_up,
    "host.token": check_host_token, "host.enrolled": check_enrolled, "login.host": check_host_login,
    "host.revoked": check_revoked, "logout": check_logout, "login.end": check_login_end, "request": check_request, "approval": check_approval,
    "break-glass": check_pending, "review": check_review, "denial": check_pending, "cancel": check_pending,
    "lapse": check_pending, "grant": check_grant, "grant.start": check_grant_start, "grant.end": check_grant_end,
    "grant.revoke": check_grant_revoke, "lock": check_lock, "unlock": check_lock,
    "issue.intent": check_intent, "issue.done": check_outcome,
    "issue.failed": check_outcome, "session.open": check_open, "session.close": check_close,
    "session.watched": check_watched, "erase": check_erase}
