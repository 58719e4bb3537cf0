"""Hosts: the tokens that they enrol by, and that they are believed."""
import re
from types import SimpleNamespace

from .certificates import check_login_open
from .reading import sha256, valid
from .requests import is_near
from .signatures import sshsig_holds
from .values import UNKNOWN, digest, hosts

LONGEST_TOKEN = 24 * 3600


def believed(log, actor):
    host = log.hosts.get(actor)
    return host if host and not host.is_revoked else None


def is_called(p):
    """Whether the subject is the host of that name, and a host may be called so."""
    return p["subject"] == f"host/{p['host']}" and re.fullmatch("[a-z].{0,57}", p["host"])


def check_token(log, e, p):
    with e.check("decision"):
        asked = p["decision"]["facts"]["hosts"]
        valid(asked not in (None, "*") and sorted(hosts(asked)) == sorted({p["host"], *p["aliases"]}))
    with e.check("under"):
        check_login_open(log, e, p["login"], e.acts)
    with e.check("host"):
        person = log.person(e)
        valid(person is not None and person["name"] == p["name"])
        valid(e.second < p["expires"] <= e.second + LONGEST_TOKEN and p["token"] not in log.host_tokens)


def check_enrolled(log, e, p):
    with e.check("signature"):
        if log.pin is not UNKNOWN:
            valid(sshsig_holds(p["key"], p["signature"], "host", origin=log.origin, pin=digest(log.pin), host=p["host"],
                               alias=p["aliases"], token=digest(p["token"]), key=digest(sha256(p["key"]))))
    with e.check("host"):
        valid(is_called(p))
        token = log.host_tokens.get(p["token"])
        if token is None:
            valid(log.host_tokens_are_partial)
        else:
            said = token.payload
            valid((said["host"], said["aliases"]) == (p["host"], p["aliases"]) and e.second < said["expires"])
        others = [host for actor, host in log.hosts.items() if actor != e.actor and not host.is_revoked]
        valid(not {p["host"], *p["aliases"]} & {name for host in others for name in host.names()})
        if p["key"] in log.host_keys:
            host = believed(log, e.actor)
            valid(log.host_keys[p["key"]] == e.actor and host and host.key == p["key"])


def check_host_login(log, e, p):
    host, window = believed(log, e.actor), p["window"]
    with e.check("login"):
        valid(p["challenge"] not in log.challenges and window["end"] - window["start"] <= 12 * 3600)
        valid(is_near(e, window["start"]))
    with e.check("signature"):
        if host and log.pin is not UNKNOWN:
            valid(sshsig_holds(host.key, p["signature"], "host-login", origin=log.origin, pin=digest(log.pin),
                               host=p["host"], challenge=p["challenge"], login_key=digest(p["login_key"])))
    with e.check("host"):
        valid(is_called(p) and host)


def check_revoked(log, e, p):
    """The leaf's actor is the host; who revokes it has a login."""
    actors = log.actors_of(p["by"])
    for actor in actors:
        by = SimpleNamespace(actor=actor, second=e.second, acts=p["by"])
        with e.check("under"):
            check_login_open(log, by, p["login"], p["by"])
        with e.check("host"):
            person = log.person(by)
            valid(person is not None and person["name"] == p["name"])
    with e.check("host"):
        valid(believed(log, e.actor))
