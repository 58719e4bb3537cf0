"""What leaves and payloads may hold ("Leaf", "Payload")."""
import re

from .reading import valid
from .values import TAG, duration, hosts, in_order, line, row, start


def matches(pattern):
    return lambda text: valid(re.fullmatch(pattern, text))


def octets(length):
    return lambda value: valid(isinstance(value, bytes) and length in (None, len(value)))


def number(most):
    return lambda value: valid(type(value) is int and value <= most)


def host(text):
    valid(hosts(text) == [text])


def host_names(value):
    valid(isinstance(value, list))
    in_order(value)
    for name in value:
        host(name)


def names(value):
    valid(isinstance(value, list))
    in_order(value)
    for name in value:
        VALUES["name"](name)


VALUES = {
    "text": lambda value: valid(isinstance(value, str)), "line": line, "row": row, "duration": duration, "start": start,
    "bytes": octets(None), "id": octets(16), "digest": octets(32),
    "one": lambda value: valid(value == 1), "count": number(2**64 - 1), "small": number(255), "number": number(2**32 - 1),
    "time": number(253402300799),
    "origin": matches("[a-z0-9][a-z0-9._/-]{0,127}"), "subject-id": matches("[a-z][a-z0-9-]{0,31}/[!-~]{1,255}"),
    "person-name": matches("(?!.{64})[a-z][a-z0-9._-]*(@[a-z][a-z0-9-]{0,31})?"), "name": matches("[a-z][a-z0-9-]{0,62}"), "tag": matches(TAG),
    "names": names, "flag": lambda value: valid(isinstance(value, bool)),
    "type": matches("(?!.{64})[a-z][a-z0-9]*([._-][a-z][a-z0-9]*)*"), "hosts": lambda text: text == "*" or hosts(text),
    "host": host, "host-names": host_names,
}


def table(text):
    """Of each line its name, its mark, and its words as a map."""
    found = {}
    for name, *words in map(str.split, text.strip().splitlines()):
        mark = words.pop(0) if words[0] in ("=", "~") else ""
        found[name] = mark, dict(word.partition(":")[::2] for word in words)
    return found


# A struct with its fields in order. `=`: what a choice may be. `~`: a struct of which the fields that are not there are
# left out. `?`: or null. `*`: a list, `*2`: of two.
PAYLOADS = table("""
log.init            origin:origin keys:key* succeeds:succession?
bundle.file         path:text text:text
bundle.file.removed path:text
person              subject:subject-id name:person-name groups:names ssh_keys:text*
person.removed      actor:id
bundle              hash:digest zone:text changes:changes asked:asker approved:id?
bundle.proposed     hash:digest zone:text changes:changes files:paths asked:asker
bundle.approval     hash:digest by:subject-id name:person-name login:bytes decision:decision
daemon.start        version:text address:text
daemon.stop         cause:text
clock.fault         expected:time found:time
clock.ack           reason:line uid:number
subject             subject:subject-id name:person-name actor:id
mfa.code            subject:subject-id code:digest expires:time
mfa.enrolled        subject:subject-id login:bytes step:count
mfa.kept            subject:subject-id step:count
mfa.reset.asked     subject:subject-id reason:line by:subject-id name:person-name login:bytes decision:decision lapses:time
mfa.reset.withdrawn subject:subject-id asked:count by:subject-id name:person-name login:bytes decision:decision
mfa.reset           subject:subject-id by:resetter code:reset-code?
login               subject:subject-id name:person-name key:bytes challenge:text login_key:digest signature:bytes \
                    factor:factor address:address serial:bytes window:window
subject.vouched     subject:subject-id name:person-name kind:subject-kind groups:names
login.token         subject:subject-id name:person-name token:digest expires:time challenge:text? \
                    confirmed_from:address? login_key:digest mfa_at:time? acr:line? amr:line* \
                    address:address serial:bytes window:window
login.certificate   subject:subject-id name:person-name certificate:id since:time login_key:digest address:address \
                    serial:bytes window:window
passkey.added       subject:subject-id label:line party:text login:bytes challenge:text registration:registration \
                    consent:assertion?
passkey.removed     subject:subject-id passkey:bytes login:bytes
page.login          subject:subject-id name:person-name challenge:text assertion:assertion address:address serial:bytes \
                    window:window
login.step-up       subject:subject-id login:bytes challenge:text assertion:assertion
host.token          token:digest host:host aliases:host-names expires:time by:subject-id name:person-name login:bytes \
                    decision:decision
host.enrolled       subject:subject-id host:host aliases:host-names key:bytes token:digest signature:bytes address:address
login.host          subject:subject-id host:host challenge:text login_key:digest signature:bytes address:address \
                    serial:bytes window:window
host.revoked        subject:subject-id reason:line by:subject-id name:person-name login:bytes decision:decision
logout              subject:subject-id login:bytes
login.end           subject:subject-id login:bytes refusal:text
refusal             subject:subject-id action:action? code:code detail:text address:address decision:decision? \
                    bundle:digest?
refusal.strangers   count:count since:time
request             request:id subject:subject-id name:person-name role:name rows:row* hosts:hosts duration:duration \
                    start:start extends:id? reason:line ticket:line? bundle:digest hash:digest made:time lapses:time \
                    approvals:quorum* use_within:duration? certificates:number? decision:decision
approval            request:id hash:digest by:approver groups:names duration:duration rows:row* hosts:hosts \
                    comment:line? signature:consent? decision:decision
break-glass         request:id told:names decision:decision
review              request:id by:subject-id name:person-name comment:line decision:decision
denial              request:id by:subject-id name:person-name reason:line? decision:decision
cancel              request:id
lapse               request:id lapsed:time scope:scope
grant               grant:id request:id subject:subject-id role:name rows:row* hosts:hosts term:term certificates:number?
grant.start         grant:id request:id window:window decision:decision approvals:decision*
grant.end           grant:id request:id ended:time cause:end-cause scope:scope decision:decision?
grant.revoke        grant:id request:id revoked:time by:subject-id name:person-name reason:line scope:scope \
                    decision:decision
lock                lock:locked by:officer reason:line
unlock              lock:locked by:officer reason:line
issue.intent        purpose:text serial:bytes tbs:bytes validity:validity under:under?
issue.done          signature:bytes
issue.failed        error:text
session.open        subject:subject-id session:id account:line from:address? certificate:used? opened:time grant:id? \
                    issuance:id?
session.close       subject:subject-id session:id closed:time why:session-end channels:channel* grant:id?
session.watched     session:id channel:number by:subject-id name:person-name login:bytes decision:decision grant:id?
erase.order         by:subject-id name:person-name signature:signature step:count? decision:decision
erase               cause:cause reason:line entries:count*2*
""")
NEVER_ERASED = ("log.init", "bundle", "person.removed", "host.enrolled", "erase")
SHAPES = PAYLOADS | table("""
leaf              ~ v:one ids:ids idx:count tbs:digest? type:type actor:id ts_ms:count bundle:digest? commit:digest
ids               ~ g:id? i:id? r:id?
key                 purpose:text spki:bytes
succession          checkpoint:text reason:line
changes             files:counts people:actors
counts              added:count changed:count removed:count
paths               added:text* changed:text* removed:text*
actors              added:id* changed:id* removed:id*
asker             = start signal account:number
subject-kind      = person workload
factor            = totp:step security-key passkey:assertion enrolment-code:code-hash
step                step:count
code-hash           code:digest
window              start:time end:time
validity            from:time until:time
quorum              count:small from:names signed:flag
term              = open:window scheduled:window first-use:first-use
first-use           duration:duration by:time
end-cause         = over unused policy given-back
scope               subject:subject-id name:person-name role:name rows:row* hosts:hosts window:window? \
                    duration:duration reason:line ticket:line?
used                ca:digest serial:count key_id:line until:time
session-end       = logged-out certificate-ended grant-ended guard-vanished unguarded bound-reached host-restarted failed
channel             number:number command:line? terminal:flag started:time root:digest chunks:count bytes:count
locked            = all subject:subject-id role:name
officer           = person:lets machine:account
lets                subject:subject-id name:person-name decision:decision
account             uid:number
resetter            = person:second machine:alone
second              subject:subject-id name:person-name login:bytes decision:decision asked:count
alone               uid:number reason:line
reset-code          code:digest expires:time
under               row:tag login:bytes idempotency_key:text possession:possession decision:allowed
allowed             now:time address:address mfa_at:time? rules:text*
possession        = sha256:bytes sha512:bytes pkcs10:bytes
approver          = rules:text* person:who
who                 subject:subject-id name:person-name
signature           key:bytes sshsig:bytes
consent           = ssh:signature passkey:assertion
registration        client_data:bytes authenticator_data:bytes
assertion           passkey:bytes client_data:bytes authenticator_data:bytes signature:bytes
cause             = subject:id retention:time
address           = V4:small*4 V6:small*16
action            = request skip-approval approve issue break-glass review revoke watch lock read-log erase administer \
                    enrol-host
outcome           = allow deny
code              = not-permitted forbidden rule-error mfa-required mfa-too-old too-long unknown-role unknown-host \
                    ticket-required ticket-refused start-out-of-bounds no-break-glass too-many-requests \
                    too-many-grants too-many-certificates locked self-approval not-an-approver widening \
                    reason-required signature-required wrong-statement not-pending already-approved \
                    too-few-approvals no-longer-permitted not-yours \
                    grant-ended grant-waiting grant-revoked already-extended not-to-review lock-unchanged \
                    reset-unchanged host-refused host-unchanged unknown-row role-changed key-refused no-possession not-proposed not-a-person login-refused too-many-attempts
decision            facts:facts decision:answer
answer              outcome:outcome rules:text* reasons:reason*
reason              code:code text:text
means               acr:line? amr:line*
facts               action:action subject:subject-id now:time address:address mfa_at:time? means:means role:name? \
                    requester:subject-id? hosts:hosts? duration:duration? reason:line? ticket:line?
""")


def fits(value, kind):
    """Raises an error unless the value is of this kind."""
    if kind.endswith("?"):
        return value is None or fits(value, kind[:-1])
    if "*" in kind:
        kind, _, length = kind.rpartition("*")
        valid(isinstance(value, list) and length in ("", str(len(value))))
        return [fits(each, kind) for each in value]
    if kind in VALUES:
        return VALUES[kind](value)
    mark, fields = SHAPES[kind]
    if mark == "=" and isinstance(value, str):
        return valid(fields[value] == "")
    if mark == "=":
        ((name, held),) = value.items()
        return fits(held, fields[name])
    held = {name: value.get(name) for name in fields}
    valid(list(value) == [name for name in fields if mark == "" or held[name] is not None])
    for name in fields:
        fits(held[name], fields[name])
    if kind == "window":
        valid(0 < value["end"] - value["start"] <= 86400)
    if kind in ("paths", "actors"):
        for name in fields:
            in_order(held[name])
