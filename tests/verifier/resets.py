"""Resets of second factors: one administrator asks, another confirms, and neither is whose they are."""
from .certificates import check_login_open
from .log import DAEMON
from .reading import valid
from .requests import is_near
from .values import UNKNOWN

DAY = 86400  # how long what was asked for waits, and how long a code can be used


def check_code(log, e, p):
    """A code is for a first second factor. Whoever has one is reset, and enrols with the code of that."""
    with e.check("reset"):
        valid(p["subject"] not in log.resets)
        valid(log.may_be_reset or
              (p["subject"] not in log.steps and
               not any(each.actor in log.actors_of(p["subject"]) for each in log.passkeys.values())))


def check_reset(log, e, p):
    by = p if e.acts == p["by"] else p["by"].get("person")
    if by:
        with e.check("under"):
            check_login_open(log, e, by["login"], e.acts)
    with e.check("reset"):
        valid(e.acts != p["subject"])
        if by:
            person = log.person(e)
            valid(person is not None and person["name"] == by["name"])
        else:
            valid(e.actor == DAEMON)
        if e.type == "mfa.reset.asked":
            valid(is_near(e, p["lapses"] - DAY))
        elif by:
            asked = log.asked_resets[by["asked"]]
            if asked.payload is not UNKNOWN:
                valid(asked.payload["subject"] == p["subject"] and e.second < asked.payload["lapses"])
            valid(e.type != "mfa.reset" or asked.actor != e.actor)
        if e.type == "mfa.reset":
            valid((p["code"] is not None) == p["subject"].startswith("local/"))
            valid(p["code"] is None or is_near(e, p["code"]["expires"] - DAY))


def may_have_factor(log, e):
    """Whether who acts has a second factor by now, or had it reset and may have enrolled one in a payload that is gone."""
    reset = log.resets.get(e.acts)
    return reset is None or any(
        each.type == "mfa.enrolled" and each.actor == e.actor and not each.record for each in log.entries[reset:])
