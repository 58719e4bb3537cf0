#!/usr/bin/env bash
# The whole story on this machine, in two minutes: somebody needs production, asks, gets it for a
# minute, and loses it when the minute is over.
#
#   deploy/demo.sh
#
# Runs as root or with sudo, on loopback, in a temporary folder; asks nothing. It ends with 0 only if
# every step did what it should, and takes everything away again, also when it is interrupted.
# JIT_CA_BIN_DIR names a folder with jit-cad and jit-ca to use instead of building them.
set -euo pipefail
root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
# How it is shown, the people, and the servers.
# shellcheck source-path=SCRIPTDIR source=demo/stage.sh
source "$root/deploy/demo/stage.sh"

main() {
  prepare
  start_ca
  start_web1
  enrol_people
  logs_at_once
  a_minute_of_production
  use_it
  wait_for_the_end
  it_is_over
  look_it_up
  chapter "Done in $((SECONDS - begun)) s: nothing was revoked, and nothing is left to revoke."
}

# === the story ===

prepare() {
  "$root/deploy/install-deps.sh" demo
  bin=${JIT_CA_BIN_DIR:-}
  if [[ -z $bin ]]; then
    echo "building (a first time takes minutes) …"
    (cd "$root" && cargo build --quiet --locked --package jit-cad --package jit-ca)
    bin=${CARGO_TARGET_DIR:-$root/target}/debug
  fi
  PATH=$bin:$PATH:/usr/sbin:/sbin
  begun=$SECONDS
  ca_port=$(free_port)
  ca_url=https://127.0.0.1:$ca_port
  as_root install -d -m 755 /run/sshd "$strict"
  local name
  for name in alice bob carol; do
    mkdir -p "$work/$name/.ssh" "$work/$name/run"
    chmod 700 "$work/$name/.ssh" "$work/$name/run"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$work/$name/.ssh/id_ed25519"
  done
}

start_ca() {
  chapter "A CA for this story"
  say "Its keys, encrypted, and a configuration to start from. Clients know the CA by the pin."
  export JIT_CAD_PASSPHRASE=a-passphrase-for-the-demo
  shown "$work" jit-cad init --dir ca
  pin=$(sed -n 's/^pin //p' "$work/output")
  [[ $pin == SHA256:* ]] || fail "no pin"

  say "Alice is a developer, Bob and Carol are SREs; Carol reads the log, too. Their SSH keys go into users.toml."
  local name
  for name in alice bob carol; do
    give_key "$name"
  done
  shown "$work" grep -B2 -A1 'groups = \["dev"\]' ca/config/users.toml
  shown "$work" jit-cad check-config --config ca/config/jit-cad.toml

  prompt "$work" jit-cad serve --config ca/config/jit-cad.toml --listen "127.0.0.1:$ca_port" '&'
  (cd "$work" && exec jit-cad serve --config ca/config/jit-cad.toml --listen "127.0.0.1:$ca_port") \
    >"$work/jit-cad.out" 2>"$work/jit-cad.log" &
  servers+=($!)
  await "$work/jit-cad.out" '^ready$' || { cat "$work/jit-cad.log" >&2; fail "jit-cad does not start"; }
  cat "$work/jit-cad.out"
}

start_web1() {
  chapter "A host and a service"
  say "web1 is a real sshd. It trusts the CA's key and nothing else: no account on it has keys of its own."
  export JIT_CA_URL=$ca_url JIT_CA_PIN=$pin
  # jit-ca keeps what it has seen of a log; of this one, which goes with the demo, not in your home.
  export XDG_CONFIG_HOME=$work/.config
  prompt "$work" export "JIT_CA_URL=$ca_url" "JIT_CA_PIN=$pin"
  shown_to "$work/user_ca.pub" "$work" jit-ca trust --ssh-user-ca
  start_sshd
  shown "$work" grep -E '^(TrustedUserCAKeys|Authorized)' sshd_config

  say "The orders API is a real nginx. It lets in whoever has a client certificate that says orders-api."
  shown_to "$work/root.pem" "$work" jit-ca trust --x509-root
  shown_to "$work/clients.pem" "$work" jit-ca trust --x509-clients
  start_nginx
  shown "$work" grep -A4 'ssl_client_certificate' nginx.conf
}

enrol_people() {
  chapter "Alice logs in"
  say "An administrator gives her a one-use code. With it and her SSH key she enrols an authenticator, once."
  enrol alice
  say "From then on she logs in with her SSH key and a code of it. What she gets is a certificate, no token."
  log_in alice
  say "Bob and Carol have done the same."
  quiet=1
  enrol bob
  log_in bob
  enrol carol
  log_in carol
  quiet=''
  say "What may she ask for?"
  only='^(role|what for|approval) ' shown alice jit-ca roles
}

enrol() {
  local name=$1 code secret fifo=$work/$1/code said=$work/$1/enrolment
  only='^[a-z0-9-]+$' shown "$work" jit-cad user enroll "$name" --config ca/config/jit-cad.toml
  code=$(tail -n 1 "$work/output")
  mkfifo "$fifo"
  [[ -n $quiet ]] || prompt "$name" jit-ca mfa enroll --ca "$ca_url" --ca-pin "$pin" --name "$name" --code "$code"
  (as "$name" jit-ca mfa enroll --ca "$ca_url" --ca-pin "$pin" --name "$name" --code "$code" --totp-code-file code) \
    >"$said" 2>"$said.err" &
  waiting=$!
  await "$said" 'secret=[A-Z2-7]+' || { cat "$said.err" >&2; fail "mfa enroll shows no secret"; }
  secret=$(grep -oE 'secret=[A-Z2-7]+' "$said" | head -n 1)
  echo "${secret#secret=}" >"$work/$name/secret"
  # The code of the last half minute, which is still good, so that this one's is left for the login.
  totp "$name" -30 >"$fifo"
  wait "$waiting" || { cat "$said.err" >&2; fail "mfa enroll failed"; }
  waiting=''
  [[ -n $quiet ]] || cat "$said" "$said.err"
}

log_in() {
  local name=$1 code
  code=$(totp "$name" 0)
  [[ -n $quiet ]] || prompt "$name" jit-ca login "# and the code $code"
  (as "$name" jit-ca login --code-file - <<<"$code") >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "login of $name failed"; }
  [[ -n $quiet ]] || cat "$work/output"
}

logs_at_once() {
  chapter "Reading logs needs nobody"
  say "A rule approves it: reading changes nothing. And the certificate can do nothing else, whatever is asked for."
  shown alice jit-ca request web-logs --host web1 --reason "INC-42: orders time out"
  ssh_to_web1 --role web-logs deploy@web1 -- rm -rf /var/www
  grep -q 'upstream timed out' "$work/output" || fail "web-logs did not run its command"
}

a_minute_of_production() {
  chapter "A shell needs a second pair of eyes"
  say "Alice asks for a minute of the orders API, and, by the same command that takes her there, of web1."
  only='^(request|role|row|duration|can approve) ' \
    shown alice jit-ca request orders-api --for 60s --reason "INC-42: orders time out" --no-wait
  orders=$(sed -n 's/^request *\(r-.*\)/\1/p' "$work/output" | head -n 1)
  say "She can't approve that herself."
  only='^(error|hint):' refused 3 alice jit-ca approve "$orders" --yes

  prompt alice jit-ca ssh -F ssh_config --role web-shell --for 60s --reason "INC-42: orders time out" deploy@web1 -- whoami
  (as alice jit-ca ssh -F ssh_config --role web-shell --for 60s --reason "INC-42: orders time out" deploy@web1 -- whoami) \
    >"$work/ssh.out" 2>"$work/ssh.err" &
  waiting=$!
  await_pending web-shell || { cat "$work/ssh.err" >&2; fail "no request for web-shell"; }
  say "It waits. Bob sees it, looks at exactly what he signs, and signs with his own SSH key:"
  shown bob jit-ca requests
  # What he signs stands in columns of ten, what became of it in wider ones.
  only='^.{10}[^ ]|^(status|window) ' \
    shown bob jit-ca approve "$shell" --yes --comment "go ahead"
  only='^(status|approved by|window) ' shown bob jit-ca approve "$orders" --yes
}

use_it() {
  wait "$waiting" || { cat "$work/ssh.err" >&2; fail "ssh to web1 failed"; }
  waiting=''
  say "The moment that Bob approved, Alice's command went through:"
  cat "$work/ssh.err" "$work/ssh.out"
  [[ $(tail -n 1 "$work/ssh.out") == deploy ]] || fail "whoami did not say deploy"
  key_id=$(sed -n 's/.*Accepted certificate ID "\(jit-ca:[^"]*:alice\)".*/\1/p' "$work/sshd.log" | tail -n 1)
  [[ -n $key_id ]] || fail "sshd did not accept a certificate of Alice's"
  say "sshd wrote down who that was:"
  echo "$key_id"

  chapter "For as long as it is granted, and no longer"
  shown alice jit-ca cert ssh --role web-shell --out keys
  ssh_key=$(find "$work/alice/keys" -name '*-cert.pub' | sed 's/-cert\.pub$//')
  [[ -n $ssh_key ]] || fail "no SSH certificate in keys/"
  shown alice ssh-keygen -L -f "keys/$(basename "$ssh_key")-cert.pub"
  shown alice jit-ca cert x509 --role orders-api --out orders
  cp "$work/output" "$work/orders.issued"
  curl_orders
  grep -q '^hello .*CN=alice' "$work/output" || fail "nginx did not greet Alice"
  only='^(grants|GRANT|g-)' shown alice jit-ca status
  grep -q 'active *web-shell' "$work/output" || fail "web-shell is not held"
}

wait_for_the_end() {
  # The second grant of the two ends last, and sshd and nginx count whole seconds.
  local end left
  end=$(($(date -d "$(sed -n 's/^valid until *//p' "$work/orders.issued")" +%s) + 1))
  while left=$((end - $(date +%s))) && ((left > 0)); do
    [[ ! -t 1 ]] || printf '\r%s… %2d s left %s' "$dim" "$left" "$plain"
    pause 1
  done
  [[ ! -t 1 ]] || printf '\r\e[K'
}

it_is_over() {
  chapter "The minute is over"
  say "Nobody did anything. The same key and certificate, kept in a file, open nothing now:"
  refused 255 alice ssh -F ssh_config -o IdentitiesOnly=yes -o IdentityAgent=none -i "keys/$(basename "$ssh_key")" deploy@web1 whoami
  grep -q 'Certificate invalid: expired' "$work/sshd.log" || fail "sshd did not say that the certificate is expired"
  grep 'Certificate invalid: expired' "$work/sshd.log" | tail -n 1
  curl_orders
  grep -q '400' "$work/output" || fail "nginx did not refuse the expired certificate"
  say "What she still holds is the logs, which were granted for longer:"
  only='^(grants|GRANT|g-)' shown alice jit-ca status
  grep -q 'active *web-logs' "$work/output" || fail "web-logs is not held any more"
  if grep -q web-shell "$work/output"; then fail "web-shell is still held"; fi
}

look_it_up() {
  chapter "Who was that?"
  say "Everything stands in a log, hashed into a tree whose root the CA signs. Carol looks up the line of sshd's:"
  shown carol jit-ca log who "$key_id"
  grep -q 'INC-42' "$work/output" || fail "the log does not say why"
  grep -q 'bob' "$work/output" || fail "the log does not say who approved"
  shown carol jit-ca log list --role web-shell
  grep -q 'issue.intent' "$work/output" || fail "the log holds no issuance"
  say "She need not believe the CA: she takes the whole log, and checks every hash, signature, approval and window:"
  shown carol jit-ca log verify
  grep -q 'holds' "$work/output" || fail "the log does not hold"
}

set_the_stage
main
