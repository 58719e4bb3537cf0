"""Requests, and who agrees to them: from the asking to the grant, or to an end without one."""
from .log import DAEMON
from .passkeys import check_counter, check_signed
from .reading import b64, sha256, valid
from .signatures import sshsig_holds
from .values import UNKNOWN, digest, duration, hosts, id_text, row, start_time, statement

DELAY = 10  # seconds between what is decided and its entry


def is_near(e, time):
    return abs(time - e.second) <= DELAY


def check_request(log, e, p):
    with e.check("request"):
        extends = p["extends"] and id_text("g", p["extends"])
        said = statement("request", origin=log.origin, request=id_text("r", p["request"]), subject=p["subject"],
                         role=p["role"], row=p["rows"], hosts=p["hosts"], duration=p["duration"], start=p["start"],
                         extends=extends, reason=p["reason"], ticket=p["ticket"], bundle=digest(p["bundle"]))
        valid(("r", p["request"]) not in log.begun and (said is UNKNOWN or p["hash"] == sha256(said)))
        valid(p["bundle"] == log.bundle and log.person(e) is not None and is_near(e, p["made"]))
        valid(log.policy is None or f"roles/{p['role']}.toml" in log.policy)
        valid(p["approvals"] and all(quorum["count"] and quorum["from"] for quorum in p["approvals"]))
        if extends:
            grant, start = log.begun["g", p["extends"]], start_time(p["start"])
            valid(grant.is_open and log.request(grant).actor == e.actor and grant.payload["role"] == p["role"])
            valid(start is not None)
            if grant.term is not UNKNOWN:
                valid(grant.term["open"]["end"] == start > e.second - DELAY)
            valid(not any(is_in_force(e, follower) for follower in grant.followers))


def is_in_force(e, request):
    """Whether a request is pending, or its grant goes on."""
    grant = request.grant
    if request.is_open:
        return request.payload["lapses"] > e.second + DELAY
    return grant is not None and grant.is_open and grant.term is not UNKNOWN and grant.deadline() > e.second + DELAY


def check_pending(log, e, p):
    with e.check("state"):
        request = log.begun["r", p["request"]]
        valid(request.is_open)
        if e.type in ("approval", "break-glass", "grant"):
            valid(e.second - DELAY < request.payload["lapses"])
        if e.type in ("cancel", "break-glass"):
            valid(e.actor == request.actor)
        if e.type == "break-glass":
            valid(not request.is_emergency)
        if e.type == "lapse":
            valid(e.actor == DAEMON and p["lapsed"] == request.payload["lapses"] and p["lapsed"] <= e.second + DELAY)
            valid(p["scope"]["window"] is None and is_scope(p["scope"], request.payload, request.payload))


def is_scope(scope, asked, given):
    """Whether an end says once more what was asked for, and of which rows and hosts."""
    own = all(scope[name] == asked[name] for name in ("subject", "name", "role", "duration", "reason", "ticket"))
    return own and all(scope[name] == given[name] for name in ("subject", "role", "rows", "hosts"))


# === Approvals ===

def is_key_of(person, key):
    return person is UNKNOWN or (person is not None and any(
        line.split(" ")[1:2] == [b64(key)] for line in person["ssh_keys"]))


def is_rule(policy, name):
    return policy is None or any(
        path.startswith("policies/") and f'@id("{name}")' in text for path, text in policy.items())


def check_approval(log, e, p):
    signature = p["signature"]
    by, ssh = signature or {}, (signature or {}).get("ssh")
    said = {"origin": log.origin, "request": digest(p["hash"]), "duration": p["duration"], "row": p["rows"], "hosts": p["hosts"]}
    with e.check("signature"):
        valid(e.acts is None or ssh is None or sshsig_holds(ssh["key"], ssh["sshsig"], "approval", **said))
        if e.acts is not None and "passkey" in by:
            check_signed(log, by["passkey"], statement("approval", **said))
    check_pending(log, e, p)
    with e.check("approval"):
        request, asked = log.begun["r", p["request"]], log.asked(e)
        if e.acts is None:
            valid(signature is None and p["groups"] == [] and e.actor == DAEMON and p["by"]["rules"])
            valid(all(is_rule(log.policy, rule) for rule in p["by"]["rules"]))
        else:
            valid(e.actor != request.actor)
            valid(asked is UNKNOWN or e.acts != asked["subject"])
            person = log.person(e)
            valid(person is not None and (ssh is None or is_key_of(person, ssh["key"])))
            valid(all(group in person["groups"] for group in p["groups"]))
            if "passkey" in by:
                check_counter(log, e, by["passkey"])
        if asked is not UNKNOWN:
            valid(p["hash"] == asked["hash"] and asked["decision"]["facts"]["action"] == "request")
            valid(e.acts is None or any(counts_for(quorum, p) for quorum in asked["approvals"]))
            valid(0 < duration(p["duration"]) <= duration(asked["duration"]))
            valid(p["rows"] and p["rows"] == [each for each in asked["rows"] if each in p["rows"]])
            valid(is_among(p["hosts"], asked))
            valid(p["comment"] is not None or all(p[name] == asked[name] for name in ("duration", "rows", "hosts")))


def counts_for(quorum, approval):
    is_signed = approval["signature"] is not None or not quorum["signed"]
    return is_signed and any(group in quorum["from"] for group in approval["groups"])


def hosts_of(each):
    """The hosts of an SSH row; None of another."""
    named = row(each)["hosts"]
    return named and hosts(named)


def is_among(text, asked):
    """Whether these hosts are some of those of a request."""
    if "*" in (text, asked["hosts"]):
        given = {host for each in asked["rows"] for host in hosts_of(each) or []}
        return text == asked["hosts"] or (text != "*" and given.issuperset(hosts(text)))
    return set(hosts(text)) <= set(hosts(asked["hosts"]))


# === Grants ===

def check_grant(log, e, p):
    """Who approved is told by leaves, whatever is erased; what they approved as far as it is known."""
    check_pending(log, e, p)
    with e.check("grant"):
        request, asked = log.request(e), log.asked(e)
        valid(("g", p["grant"]) not in log.begun and p["rows"])
        valid(all(p[name] == asked[name] for name in ("subject", "role", "certificates")))
        approvals = [approval.payload for approval in request.approvals if approval.record]
        valid(request.is_emergency or is_agreed(log, request, asked))
        bounds = approvals if asked is UNKNOWN else [asked, *approvals]
        are_all_known = asked is not UNKNOWN and len(approvals) == len(request.approvals)
        for bound in bounds:
            valid(set(p["rows"]) <= set(bound["rows"]))
            valid(bound["hosts"] == "*" or (p["hosts"] != "*" and set(hosts(p["hosts"])) <= set(hosts(bound["hosts"]))))
        valid(asked is UNKNOWN or is_among(p["hosts"], asked))
        if are_all_known:
            check_kept(p, bounds)
        check_term(e, p["term"], asked, [duration(bound["duration"]) for bound in bounds], are_all_known)


def check_kept(p, bounds):
    """Nothing of what all agree to is left out."""
    named = [set(hosts(bound["hosts"])) for bound in bounds if bound["hosts"] != "*"]
    on = set.intersection(*named) if named else None
    valid(p["hosts"] == "*" if on is None else set(hosts(p["hosts"])) == on)

    def is_kept(each):
        gives = on is None or hosts_of(each) is None or on.intersection(hosts_of(each))
        return gives and all(each in bound["rows"] for bound in bounds)
    valid(p["rows"] == [each for each in bounds[0]["rows"] if is_kept(each)])


def is_agreed(log, request, asked):
    """Whether rules or enough people approved, not counting who is locked."""
    if any("rules" in approval.payload["by"] if approval.record else approval.actor == DAEMON
           for approval in request.approvals):
        return True
    known = [approval.payload for approval in request.approvals
             if approval.record and ("subject", approval.acts) not in log.locks]
    unknown = sum(not approval.record for approval in request.approvals)
    if asked is UNKNOWN:
        return bool(known or unknown)
    return empty_seats(asked["approvals"], known) <= unknown


def empty_seats(quorums, approvals):
    """How many seats stay empty at best. For each seat somebody who has none is looked for, breadth first: whoever
    fits and has a seat gives it up if it can be filled anew."""
    seats, sits, empty = [quorum for quorum in quorums for _ in range(quorum["count"])], {}, 0
    for wanted in range(len(seats)):
        asked_by, queue, found = {}, [wanted], None
        for seat in queue:
            fitting = [person for person, approval in enumerate(approvals)
                       if person not in asked_by and counts_for(seats[seat], approval)]
            for person in fitting:
                asked_by[person] = seat
                if person in sits:
                    queue.append(sits[person])
                else:
                    found = person
            if found is not None:
                break
        empty += found is None
        while found is not None:
            seat = asked_by[found]
            leaves = next((person for person, own in sits.items() if own == seat and person != found), None)
            sits[found], found = seat, leaves
    return empty


def check_term(e, term, asked, durations, are_all_known):
    """From when, until when: for as long as all agreed to, from the start that was asked for."""
    ((kind, held),) = term.items()
    length = duration(held["duration"]) if kind == "first-use" else held["end"] - held["start"]
    valid(all(length <= bound for bound in durations))
    valid(kind != "open" or is_near(e, held["start"]))
    valid(kind != "scheduled" or e.second - DELAY < held["start"])
    if asked is UNKNOWN:
        return
    start, until = start_time(asked["start"]), min(durations)
    if start is None:
        valid(kind == {"at-approval": "open", "first-use": "first-use"}[asked["start"]])
        valid(not are_all_known or length == until)
        if kind == "first-use":
            valid(is_near(e, held["by"] - duration(asked["use_within"] or held["duration"])))
    else:
        valid(held["start"] == start if kind == "scheduled" else held["start"] >= start)
        valid(not are_all_known or held["end"] == start + until)
