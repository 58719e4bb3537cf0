"""Sessions: what hosts said of them, and who watched the recordings. What a host says is not checked for being true."""
from .certificates import check_login_open
from .reading import valid
from .told import find


def check_open(log, e, p):
    with e.check("session"):
        valid(p["subject"].startswith("host/") and p["session"] not in log.sessions)
        valid((p["grant"] is None) == (p["issuance"] is None))
        issued = find(log, p["certificate"])
        if issued:
            valid((p["grant"], p["issuance"]) == (issued.ids["g"], issued.ids["i"]))
        elif p["grant"] is not None:
            intent = log.begun.get(("i", p["issuance"]))
            valid(intent is not None and not intent.record and intent.ids.get("g") == p["grant"])


def check_close(log, e, p):
    with e.check("session"):
        numbers = [channel["number"] for channel in p["channels"]]
        valid(0 not in numbers and numbers == sorted(set(numbers)))
        opened = log.sessions.get(p["session"])
        if opened is None:
            valid(("session.open", e.actor) in log.gone)
        else:
            valid(opened.actor == e.actor and opened.payload["grant"] == p["grant"] and opened.is_open)
            valid(opened.payload["opened"] <= p["closed"])


def check_watched(log, e, p):
    with e.check("under"):
        check_login_open(log, e, p["login"], e.acts)
    with e.check("session"):
        person = log.person(e)
        valid(person is not None and person["name"] == p["name"])
        opened = log.sessions.get(p["session"])
        if opened is None:
            valid(log.is_any_gone("session.open"))
        else:
            valid(opened.payload["grant"] == p["grant"] and p["channel"] > 0)
            valid(opened.is_open or p["channel"] in opened.channels)
