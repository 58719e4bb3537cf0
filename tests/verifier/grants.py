"""Grants from their start to their end, the look at an emergency afterwards, and locks."""
from .log import DAEMON, lock_of
from .reading import valid
from .requests import DELAY, is_near, is_scope
from .values import UNKNOWN, duration


def check_open(log, p):
    """The grant that an entry is about, with its request, while it is open."""
    grant = log.begun["g", p["grant"]]
    valid(grant.is_open and grant.ids.get("r") == p["request"])
    return grant, log.begun.get(("r", p["request"]))


def is_requesters(e, request):
    return request is not None and e.actor == request.actor


def check_grant_start(log, e, p):
    with e.check("state"):
        grant, request = check_open(log, p)
        by_clock, window = e.actor == DAEMON, p["window"]
        valid(by_clock or is_requesters(e, request))
        if grant.term is UNKNOWN:
            return
        ((kind, held),) = grant.term.items()
        valid(kind == ("scheduled" if by_clock else "first-use"))
        if by_clock:
            valid(window == held and window["start"] <= e.second + DELAY < window["end"] + 2 * DELAY)
        else:
            valid(is_near(e, window["start"]) and window["start"] < held["by"])
            valid(window["end"] - window["start"] == duration(held["duration"]))
        if all(approval.record for approval in request.approvals):
            valid(are_who_agreed(request, [each["facts"] for each in p["approvals"]]))


def are_who_agreed(request, asked):
    """Whether it was asked once more about rules, where rules had approved, or about people who had, each once."""
    who, about = [approval.acts for approval in request.approvals], [facts["subject"] for facts in asked]
    if None in who:
        return [facts["action"] for facts in asked] == ["skip-approval"]
    are_theirs = all(facts["action"] == "approve" for facts in asked) and set(about) <= set(who)
    return are_theirs and len(about) == len(set(about)) and bool(about or request.is_emergency)


def check_grant_end(log, e, p):
    with e.check("state"):
        grant, request = check_open(log, p)
        cause, ended = p["cause"], p["ended"]
        valid((p["decision"] is not None) == (cause == "policy"))
        valid(is_requesters(e, request) if cause == "given-back" else e.actor == DAEMON)
        if cause in ("given-back", "policy"):
            valid(is_near(e, ended) and ended < grant.deadline())
        else:
            valid(ended == grant.deadline() and ended <= e.second + DELAY)
        if grant.term is not UNKNOWN:
            (kind,) = grant.term
            valid(cause == "given-back" or (kind == "open") == (cause == "over"))
            valid(cause != "policy" or kind == "first-use" or grant.term["scheduled"]["start"] <= ended)
        check_scope(p, grant, request)


def check_grant_revoke(log, e, p):
    with e.check("state"):
        grant, request = check_open(log, p)
        valid(is_near(e, p["revoked"]) and p["revoked"] < grant.deadline())
        check_scope(p, grant, request)


def check_scope(p, grant, request):
    valid(is_scope(p["scope"], request.payload if request else UNKNOWN, grant.payload))
    valid(p["scope"]["window"] == (grant.window() if grant.term is UNKNOWN or "first-use" not in grant.term else None))


def check_review(log, e, p):
    with e.check("review"):
        request = log.begun["r", p["request"]]
        valid(request.is_emergency and not request.is_reviewed)
        valid(e.actor != request.actor and (request.payload is UNKNOWN or e.acts != request.payload["subject"]))
        grant = request.grant
        valid(grant is None or not grant.is_open or grant.deadline() <= e.second + DELAY)


# === Locks ===

def check_lock(log, e, p):
    with e.check("lock"):
        valid(e.acts is not None or e.actor == DAEMON)
        is_locked = lock_of(p) in log.locks
        valid(not is_locked if e.type == "lock" else is_locked or log.locks_are_partial)


STOPPED = ("login", "login.token", "login.certificate", "login.host", "host.enrolled", "page.login", "login.step-up",
           "request", "approval",
           "break-glass", "grant", "grant.start", "issue.intent")
# What the person vouches for who acts; whom and what it is about may be locked.
VOUCHED = ("unlock", "mfa.enrolled", "mfa.reset.asked", "mfa.reset", "passkey.added", "review", "bundle.approval",
           "host.token", "erase.order")


def check_locked(log, e, p):
    """Nothing is begun by or for whom is locked, or for a role that is, and who is locked vouches for nothing."""
    if e.type in VOUCHED and e.acts is not None:
        with e.check("lock"):
            valid(("subject", e.acts) not in log.locks and ("all", None) not in log.locks)
    if e.type == "issue.intent" and p["purpose"] == "ssh-host":
        with e.check("lock"):
            valid(not {("all", None), ("subject", f"host/{log.hosts[e.actor].name}")} & log.locks)
    if not log.locks or e.type not in STOPPED or (e.type == "issue.intent" and p["under"] is None):
        return
    with e.check("lock"):
        grant = log.begun.get(("g", e.ids.get("g")))
        sources = [p, log.asked(e), grant.payload if grant else UNKNOWN]
        for said in sources:
            if said is not UNKNOWN:
                valid(("subject", said.get("subject")) not in log.locks and ("role", said.get("role")) not in log.locks)
        valid(("subject", e.acts) not in log.locks and ("all", None) not in log.locks)
        agreed = p["approvals"] if e.type == "grant.start" else []
        valid(not any(("subject", each["facts"]["subject"]) in log.locks for each in agreed))
