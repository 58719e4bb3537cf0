"""What the entries so far add up to, by which the next one is checked."""
import itertools
import textwrap

from .enrolled import apply_hosts
from .passkeys import apply_passkeys
from .reading import b64, check, sha256
from .told import apply_sessions
from .values import UNKNOWN

DAEMON = bytes(16)  # who acts where nobody does
# Which of a leaf's ids begins with an entry of a type, and which ends with one.
BEGINS = {"request": "r", "grant": "g", "issue.intent": "i"}
ENDS = {"denial": "r", "cancel": "r", "lapse": "r", "grant": "r", "grant.end": "g", "grant.revoke": "g",
        "issue.done": "i", "issue.failed": "i"}


class Entry:
    """A leaf and what lies beside it. Its other fields are read by its checks."""

    def __init__(self, index, leaf_hash, leaf_bytes, record):
        self.index, self.hash, self.bytes, self.record = index, leaf_hash, leaf_bytes, record
        self.payload, self.acts = UNKNOWN, None  # the subject that acts, where the payload names it
        self.is_open = True  # what began with it has not ended
        self.approvals, self.grant = [], None  # of a request: who approved it, and what it became
        self.is_emergency = self.is_reviewed = False
        self.term, self.issued = UNKNOWN, 0  # of a grant: as it is by now, and how many certificates there are
        self.followers = []  # of a grant: the requests for more time after it

    def check(self, code):
        return check(code, self.index)

    def window(self):
        """Of a grant, if it has one by now."""
        return UNKNOWN if self.term is UNKNOWN else self.term.get("open") or self.term["scheduled"]

    def deadline(self):
        """When a grant is over if nothing happens before."""
        first_use = None if self.term is UNKNOWN else self.term.get("first-use")
        return first_use["by"] if first_use else self.window()["end"]


class Log:
    def __init__(self, checkpoint, key):
        self.checkpoint, self.key = checkpoint, key
        self.entries, self.erased, self.copies = [], [], []
        self.origin = self.keys = self.pin = self.succeeds = UNKNOWN
        self.actors, self.steps, self.logins, self.logins_of, self.challenges = {}, {}, {}, {}, set()
        self.passkeys = {}  # by their ids
        self.asked_resets = {}  # entries that asked for a reset which still waits, by their indices
        self.resets = {}  # of each subject that has enrolled nothing since, the index of its reset
        self.may_be_reset = False  # whoever it is, as a reset's payload is missing
        self.hosts, self.host_keys = {}, {}  # by pseudonym; whose each key is or was
        self.host_tokens, self.host_tokens_are_partial = {}, False  # entries that made tokens which were not used
        self.codes, self.codes_are_partial = {}, False  # of each subject the newest enrolment code, until it is used
        self.files, self.people, self.parts_known = {}, {}, True  # the parts of the next bundle; people by pseudonym
        self.vouched, self.tokens = {}, set()  # what issuers said last, by pseudonym; tokens that were used
        self.users, self.listed = {}, {}  # people by subject, and each pseudonym's subject in them
        self.bundle, self.in_force, self.policy = None, {}, None  # files in force, where they are all known
        self.before = {}, {}  # files and people in force, where they are all known
        self.bundles = []  # the hashes of all that have been in force
        self.proposed = None  # the hash of the bundle that was proposed last and is not in force
        self.newest, self.gone = {}, {}  # indices of people's entries; when a payload of a type and actor was last missing
        self.clock_is_right = True  # or nobody has acknowledged its fault
        self.ssh_certificates, self.sessions, self.unaccounted = {}, {}, []  # intents by serial; what opened sessions
        self.begun, self.serials = {}, set()  # entries by kind and id of what they began
        self.locks, self.locks_are_partial = set(), False  # whether a payload is missing that may have said more

    def apply(self, e):
        """Ids that stand in the leaf count also where the payload is gone; all else is unknown then."""
        p = e.payload
        if e.type == "clock.ack":
            self.take_back(e.leaf["ts_ms"])
        self.entries.append(e)
        kind, ends = BEGINS.get(e.type), self.begun.get((ENDS.get(e.type), e.ids.get(ENDS.get(e.type))))
        if kind and kind in e.ids:
            self.begun.setdefault((kind, e.ids[kind]), e)
        if e.type == "grant":
            e.is_open = bool(ends and ends.is_open)
        if ends:
            ends.is_open = False
        self.apply_access(e, p)
        if not e.record:
            gone = "login" if e.type in ("login.token", "login.certificate", "login.host") else e.type
            self.gone.setdefault((gone, e.actor), []).append(e.leaf["ts_ms"])
            self.codes_are_partial |= e.type in ("mfa.code", "mfa.reset")
            self.may_be_reset |= e.type == "mfa.reset"
            self.parts_known &= e.type not in ("bundle.file", "bundle.file.removed", "person", "person.removed")
        if e.type == "subject" and (p is not UNKNOWN or e.actor not in self.actors):
            self.actors[e.actor] = p["subject"]
        if e.type == "person":
            self.people[e.actor], self.newest[e.actor] = p, e.index
            self.list_user(e.actor, p)
        if e.type == "subject.vouched":
            self.vouched[e.actor] = p
        if e.type == "bundle.proposed":
            self.proposed = p["hash"]
        if e.type == "bundle":
            self.activate(e.index, p)
        if e.type == "mfa.reset.asked":
            self.asked_resets[e.index] = e
        if e.type in ("clock.fault", "clock.ack"):
            self.clock_is_right = e.type == "clock.ack"
        apply_hosts(self, e, p)
        if p is not UNKNOWN:
            self.apply_payload(e, p)

    def apply_access(self, e, p):
        request, grant = (self.begun.get((kind, e.ids.get(kind))) for kind in "rg")
        match e.type:
            case "request" if p is not UNKNOWN and ("g", p["extends"]) in self.begun:
                self.begun["g", p["extends"]].followers.append(e)
            case "approval" if request and request.is_open:  # given anew, it takes the place of the earlier one
                request.approvals = [given for given in request.approvals if given.actor != e.actor] + [e]
            case "break-glass" if request and request.is_open:
                request.is_emergency = True
            case "review" if request:
                request.is_reviewed = True
            case "grant":
                e.term = p["term"]
                if request:
                    request.grant = request.grant or e
            case "grant.start" if grant and p is not UNKNOWN:
                grant.term = {"open": p["window"]}
            case "grant.start" if grant and grant.term is not UNKNOWN:
                grant.term = UNKNOWN if "first-use" in grant.term else {"open": grant.window()}
            case "issue.intent" if grant:
                grant.issued += 1
            case "lock" | "unlock" if p is UNKNOWN:
                self.locks_are_partial = True
                if e.type == "unlock":
                    self.locks.clear()
            case "lock" | "unlock":
                kind, name = lock = lock_of(p)
                (self.locks.add if e.type == "lock" else self.locks.discard)(lock)
                if (e.type, kind) == ("lock", "subject"):
                    self.end_logins_of(name)
                    self.drop_asks_by(name)

    def take_back(self, now):
        """What was made later is over. Where something was made by then, what lies before it was taken back before."""
        for e in itertools.takewhile(lambda e: e.leaf["ts_ms"] > now, reversed(self.entries)):
            if e.type in ("login", "login.token", "login.certificate", "login.host", "page.login", "request", "grant"):
                e.is_open, e.vouched = False, None
            elif e.type == "grant.start" and ("g", e.ids.get("g")) in self.begun:
                self.begun["g", e.ids["g"]].is_open = False
            elif e.type == "mfa.reset.asked":
                self.asked_resets.pop(e.index, None)
            elif e.type == "host.token" and e.payload is not UNKNOWN:
                self.host_tokens.pop(e.payload["token"], None)
            elif e.type in ("mfa.code", "mfa.reset") and e.payload is not UNKNOWN:
                self.codes.pop(e.payload["subject"], None)
        for gone in self.gone.values():
            gone[:] = [at for at in gone if at <= now]

    def apply_payload(self, e, p):
        match e.type:
            case "log.init":
                self.origin, self.succeeds = p["origin"], p["succeeds"]
                self.keys = {key["purpose"]: key["spki"] for key in p["keys"]}
                self.pin = sha256(self.keys["x509-root"])
            case "bundle.file":
                self.files[p["path"]] = p["text"]
            case "bundle.file.removed":
                self.files.pop(p["path"], None)
            case "person.removed":
                self.people.pop(p["actor"], None)
                self.newest.pop(p["actor"], None)
                self.list_user(p["actor"], UNKNOWN)
            case "login":
                self.begin_login(e, p)
                e.has_factor = "enrolment-code" not in p["factor"]
                if not e.has_factor:
                    self.codes.pop(e.acts, None)
            case "login.token":
                self.begin_login(e, p)
                self.tokens.add(p["token"])
                e.has_factor, e.vouched = p["mfa_at"] is not None, e.second
            case "login.certificate":
                self.begin_login(e, p)
                e.has_factor, e.vouched = False, p["since"]
            case "page.login" | "login.host":
                self.begin_login(e, p)
                e.has_factor = e.type == "page.login"
            case "login.step-up":
                self.challenges.add(p["challenge"])
                if p["login"] in self.logins:
                    self.logins[p["login"]].has_factor = True
            case "passkey.added":
                self.challenges.add(p["challenge"])
            case "mfa.code":
                self.codes[p["subject"]] = p["code"]
            case "mfa.enrolled":
                self.resets.pop(e.acts, None)
                if p["login"] in self.logins:
                    self.logins[p["login"]].has_factor = True
            case "mfa.reset.withdrawn":
                self.asked_resets.pop(p["asked"], None)
            case "mfa.reset":
                self.reset(e.index, p)
            case "logout" | "login.end" if p["login"] in self.logins:
                self.logins[p["login"]].is_open = False
            case "issue.intent":
                self.serials.add(self.serial_of(p))
            case "erase":
                self.erased += p["entries"]
        apply_passkeys(self, e, p)
        apply_sessions(self, e, p)
        if step_of(p) is not None:
            self.steps[e.acts] = step_of(p)

    def begin_login(self, e, p):
        self.challenges.add(p.get("challenge"))
        self.logins[p["serial"]] = e
        own = self.logins_of.setdefault(e.acts, [])
        for login in own:  # what is over stays over
            login.is_open &= login.payload["window"]["end"] > e.second
        own[:] = [login for login in own if login.is_open] + [e]

    def end_logins_of(self, subject):
        for login in self.logins_of.pop(subject, []):
            login.is_open = False
        for login in self.logins.values():
            if login.acts == subject:  # and nothing rests on it
                login.vouched = None

    def drop_asks_by(self, subject):
        """Who is locked, or reset, has asked for nothing: it may have been somebody else."""
        actors = self.actors_of(subject)
        self.asked_resets = {at: e for at, e in self.asked_resets.items() if e.actor not in actors}

    def reset(self, index, p):
        """Nothing that the subject had counts any more, but a new code."""
        subject = p["subject"]
        if "person" in p["by"]:
            self.asked_resets.pop(p["by"]["person"]["asked"], None)
        self.asked_resets = {at: e for at, e in self.asked_resets.items()
                             if e.payload is UNKNOWN or e.payload["subject"] != subject}
        self.end_logins_of(subject)
        self.drop_asks_by(subject)
        self.steps.pop(subject, None)
        self.resets[subject] = index
        self.codes.pop(subject, None)
        if p["code"]:
            self.codes[subject] = p["code"]["code"]
        actors = self.actors_of(subject)
        self.passkeys = {key: held for key, held in self.passkeys.items() if held.actor not in actors}
        for actor in actors:
            self.gone.pop(("passkey.added", actor), None)

    # --- bundles ---

    def list_user(self, actor, person):
        if person is UNKNOWN:
            self.users.pop(self.listed.pop(actor, None), None)
        else:
            self.listed[actor], self.users[person["subject"]] = person["subject"], person

    def activate(self, index, p):
        """The parts are in force as a bundle from here on. A hash that fits shows that no part is missing."""
        self.bundle, self.in_force, self.policy, self.before = p["hash"], dict(self.people), None, None
        self.proposed = None
        self.bundles.append(p["hash"])
        if p is not UNKNOWN:
            self.parts_known = self.bundle_hash(p["zone"]) == p["hash"]
            self.policy = dict(self.files) if self.parts_known else None
            self.before = self.parts() if self.parts_known else None
            self.copies += [(f"bundles/{index}/{path}", text) for path, text in self.bundle_files(p["zone"])]

    def parts(self):
        return dict(self.files), {actor: person for actor, person in self.people.items() if person is not UNKNOWN}

    def bundle_hash(self, zone):
        return sha256(*(b"%d\n%d\n%s%s" % (len(path.encode()), len(text), path.encode(), text)
                        for path, text in self.bundle_files(zone)))

    def bundle_files(self, zone):
        files = {**self.files, "users.toml": self.users_toml(zone)}
        return [(path, files[path].encode()) for path in sorted(files)]

    def users_toml(self, zone):
        def quoted(items):
            return "[" + ", ".join(f'"{item}"' for item in items) + "]"
        text = f'zone = "{zone}"\n'
        for _, person in sorted(self.users.items()):
            text += (f'\n[[person]]\nid = "{person["subject"].removeprefix("local/")}"\nname = "{person["name"]}"\n'
                     f'groups = {quoted(person["groups"])}\nssh_keys = {quoted(person["ssh_keys"])}\n')
        return text

    def key_copies(self):
        """RFC 7468 section 13."""
        for purpose, spki in (self.keys if self.keys is not UNKNOWN else {}).items():
            lines = "\n".join(textwrap.wrap(b64(spki), 64))
            yield f"ca/{purpose}.pem", f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n".encode()

    # --- what checks ask for ---

    def person(self, e):
        """Who acts, as the bundle in force has it, or an issuer in it vouches: None if there is nobody."""
        found = self.in_force.get(e.actor)
        if found is None and self.has_issuer(e.acts):
            found = self.vouched.get(e.actor)
        return found if found is not None and found["subject"] == e.acts else None

    def actors_of(self, subject):
        return [actor for actor, known in self.actors.items() if known is not UNKNOWN and known == subject]

    def has_issuer(self, subject):
        return self.policy is None or f"issuers/{subject.partition('/')[0]}.toml" in self.policy

    def is_workload(self, e):
        """Whether an issuer said so of who acts; unknown where that is gone."""
        return e.actor in self.vouched and self.vouched[e.actor]["kind"] == "workload"

    def request(self, e):
        """The entry of the request that an entry is about: its own, or its grant's."""
        grant = self.begun.get(("g", e.ids.get("g")))
        return self.begun.get(("r", e.ids.get("r") or grant and grant.ids.get("r")))

    def asked(self, e):
        """What that request says; unknown where there is none, or its payload is gone."""
        request = self.request(e)
        return request.payload if request else UNKNOWN

    def serial_of(self, p):
        return p["purpose"].startswith("ssh-"), p["serial"]

    def is_any_gone(self, entry_type):
        """Whether a payload of this type is missing, whoever's, that is not over."""
        return any(gone for (of, _), gone in self.gone.items() if of == entry_type)

    def is_gone(self, entry_type, e, age):
        """Whether a payload of this type and the same actor is missing, no older than this."""
        gone = self.gone.get((entry_type, e.actor))
        return bool(gone) and e.second - gone[-1] // 1000 <= age


def lock_of(p):
    """What is locked, as a kind and a name."""
    return ("all", None) if p["lock"] == "all" else next(iter(p["lock"].items()))


def step_of(p):
    """The second factor's step that a payload says was used."""
    factor = p.get("factor")
    return p["step"] if "step" in p else factor.get("totp", {}).get("step") if isinstance(factor, dict) else None
