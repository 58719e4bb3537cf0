"""The hosts that have enrolled, as entries add up to them."""
from .values import UNKNOWN


class Host:
    """What a host has enrolled as."""

    def __init__(self, p):
        self.name, self.aliases, self.key, self.is_revoked = p["host"], p["aliases"], p["key"], False

    def names(self):
        return sorted([self.name, *self.aliases])


def apply_hosts(log, e, p):
    """Takes an entry in, also one of which the payload is gone."""
    if e.type == "host.token" and p is UNKNOWN:
        log.host_tokens_are_partial = True
    elif e.type == "host.token":
        log.host_tokens[p["token"]] = e
    elif e.type == "host.enrolled" and p is not UNKNOWN:
        log.host_tokens.pop(p["token"], None)
        if e.actor in log.hosts:
            log.end_logins_of(p["subject"])
        log.hosts[e.actor], log.host_keys[p["key"]] = Host(p), e.actor
    elif e.type == "host.revoked" and e.actor in log.hosts:
        log.hosts[e.actor].is_revoked = True
        log.end_logins_of(f"host/{log.hosts[e.actor].name}")
