# Sourced by run.sh and setup.sh: where things are, and how each server is configured, started and stopped. Each one
# listens on 127.0.0.1 alone, is stopped by its own process id, and leaves for the load generator:
#   ADDRESS, SERVER (its process), LOAD (options of `jit-ca-bench load`), PLACES (what it keeps on disk)
# shellcheck shell=bash disable=SC2034 # the variables above are run.sh's
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../.." && pwd)
PEERS=${PEERS:-$here/peers}
WORK=${WORK:-$here/work}
RESULTS=${RESULTS:-$here/results}
# Programs of ours from elsewhere, to measure another build, or with another; else they are built.
JIT_CA_BIN_DIR=${JIT_CA_BIN_DIR:-}
JIT_CA_BENCH=${JIT_CA_BENCH:-}
bin=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-$repository/target}/release")
bench=${JIT_CA_BENCH:-$bin/jit-ca-bench}
openbao_port=18200
step_ca_port=18300
SERVER=''
RECEIVERS=''

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

build() {
  local packages=()
  [[ -n $JIT_CA_BIN_DIR ]] || packages+=(--package jit-cad --package jit-ca)
  [[ -n $JIT_CA_BENCH ]] || packages+=(--package jit-ca-bench)
  ((${#packages[@]} == 0)) || (cd "$repository" && cargo build --quiet --release --locked "${packages[@]}")
  export JIT_CA_BIN_DIR=${JIT_CA_BIN_DIR:-$bin}
}

stop_server() {
  local process
  for process in $SERVER $RECEIVERS; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  SERVER='' RECEIVERS=''
}
trap stop_server EXIT

# Waits until a URL gives 200, for at most a minute.
await() { # URL ROOT
  local tries
  for ((tries = 0; tries < 1200; tries++)); do
    kill -0 "$SERVER" 2>/dev/null || break
    [[ $(curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$2" "$1") != 200 ]] || return 0
    sleep 0.05
  done
  say "the server is not ready: $WORK/server.log"
  tail -n 5 "$WORK/server.log" >&2
  return 1
}

fresh_work() {
  rm -rf "$WORK"
  mkdir -p "$WORK" "$RESULTS"
}

# === jit-ca ===

jit_ca_prepare() {
  fresh_work
  "$bench" prepare --dir "$WORK/jit-ca" --people "${PEOPLE:-16}"
  ADDRESS=$(sed -n 's/^  "address": "\(.*\)",$/\1/p' "$WORK/jit-ca/prepared.json")
  ROOT=$(sed -n 's/^  "root": "\(.*\)",$/\1/p' "$WORK/jit-ca/prepared.json")
  PLACES=("$WORK/jit-ca/ca/data")
  local home=$WORK/jit-ca/home/someone
  someone=(env -i "PATH=$PATH" "HOME=$home" "XDG_CONFIG_HOME=$home/.config" "XDG_RUNTIME_DIR=$home/run")
  export JIT_CAD_PASSPHRASE='the passphrase of a test'
  COMMAND=("$JIT_CA_BIN_DIR/jit-cad" serve --config "$WORK/jit-ca/ca/config/jit-cad.toml" --listen "$ADDRESS")
}

jit_ca_start() { # KIND [RECEIVERS]
  jit_ca_prepare
  [[ ${2:-none} != ill ]] || ill_receivers >>"$WORK/jit-ca/ca/config/jit-cad.toml"
  jit_ca_serve
  LOAD=(--target "jit-ca-$1" --prepared "$WORK/jit-ca/prepared.json")
}

jit_ca_serve() {
  "${COMMAND[@]}" >>"$WORK/server.log" 2>&1 &
  SERVER=$!
  await "https://$ADDRESS/readyz" "$ROOT"
}

# Three targets of webhooks: nobody listens there, a call is never answered, an answer takes nine seconds.
ill_receivers() {
  local place=$WORK/receivers
  (umask 077; printf 'whsec_%s\n' "$(openssl rand -base64 32)" >"$place.secret")
  python3 - "$place" >/dev/null 2>&1 <<'END' &
import http.server, socket, sys, threading, time
silent = socket.create_server(("127.0.0.1", 0), backlog=1024)
class Slow(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        time.sleep(9)
        self.send_response(503)
        self.end_headers()
slow = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
threading.Thread(target=slow.serve_forever, daemon=True).start()
with open(sys.argv[1], "w") as ports:
    print(silent.getsockname()[1], slow.server_port, file=ports)
time.sleep(600)
END
  RECEIVERS=$!
  while [[ ! -s $place ]]; do sleep 0.05; done
  local silent slow name port
  read -r silent slow <"$place"
  for name in "dead 9" "silent $silent" "slow $slow"; do
    read -r name port <<<"$name"
    printf '%s\n' '[[notify]]' "name = \"$name\"" "webhook = \"http://127.0.0.1:$port/\"" \
      "secret = { file = \"$place.secret\" }" 'allow_private = ["127.0.0.1"]'
  done
}

# === the limit ===

limit_start() { # KIND
  fresh_work
  mkdir -p "$WORK/limit"
  ADDRESS=127.0.0.1:18400
  "$bench" limit --dir "$WORK/limit" --listen "$ADDRESS" >>"$WORK/server.log" 2>&1 &
  SERVER=$!
  local tries
  for ((tries = 0; tries < 600; tries++)); do
    [[ ! -e $WORK/limit/prepared.json ]] || break
    sleep 0.05
  done
  PLACES=("$WORK/limit/limit.redb")
  LOAD=(--target "jit-ca-$1" --prepared "$WORK/limit/prepared.json")
}

# === step-ca: badger, its default; a JWK provisioner; every certificate stored ===

step_ca_prepare() {
  fresh_work
  local db=$WORK/step-ca/db name key
  mkdir -p "$db" "$WORK/step-ca/log"
  cd "$WORK/step-ca"
  # P-256 root and intermediate, as `step ca init` makes them.
  for name in root int provisioner; do p256_key "$name.key"; done
  openssl req -x509 -new -key root.key -sha256 -days 3650 -subj '/CN=Bench Root' \
    -addext 'basicConstraints=critical,CA:TRUE,pathlen:1' -addext 'keyUsage=critical,keyCertSign,cRLSign' -out root.crt
  openssl req -new -key int.key -subj '/CN=Bench Intermediate' -out int.csr
  openssl x509 -req -in int.csr -CA root.crt -CAkey root.key -CAcreateserial -days 3650 -sha256 -out int.crt \
    -extfile <(printf '%s\n' basicConstraints=critical,CA:TRUE,pathlen:0 keyUsage=critical,keyCertSign,cRLSign \
      subjectKeyIdentifier=hash authorityKeyIdentifier=keyid) 2>/dev/null
  for name in ssh_host ssh_user; do openssl genpkey -algorithm ED25519 -out "$name.key"; done
  openssl pkcs8 -topk8 -nocrypt -in provisioner.key -outform DER -out provisioner.der
  key=$(openssl pkey -in provisioner.key -pubout -outform DER | tail -c 64 | xxd -p | tr -d '\n')
  cat >ca.json <<JSON
{
  "root": "$PWD/root.crt", "crt": "$PWD/int.crt", "key": "$PWD/int.key",
  "address": "127.0.0.1:$step_ca_port", "dnsNames": ["localhost", "127.0.0.1"],
  "ssh": {"hostKey": "$PWD/ssh_host.key", "userKey": "$PWD/ssh_user.key"},
  "logger": {"format": "text"},
  "db": {"type": "badgerv2", "dataSource": "$db", "badgerFileLoadingMode": ""},
  "authority": {
    "claims": {"enableSSHCA": true,
      "defaultTLSCertDuration": "30m", "maxTLSCertDuration": "1h",
      "defaultUserSSHCertDuration": "30m", "maxUserSSHCertDuration": "1h"},
    "provisioners": [{"type": "JWK", "name": "bench",
      "key": {"use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "bench",
        "x": "$(base64url "${key:0:64}")", "y": "$(base64url "${key:64}")"}}]
  },
  "tls": {"minVersion": 1.2, "maxVersion": 1.3, "renegotiation": false}
}
JSON
  cd "$OLDPWD"
  ADDRESS=127.0.0.1:$step_ca_port
  ROOT=$WORK/step-ca/root.crt
  # Its log of requests is its only audit trail; it goes to a file, as under systemd.
  PLACES=("$db" "$WORK/step-ca/log")
  export STEPPATH=$WORK/step-ca/path
  mkdir -p "$STEPPATH"
  COMMAND=("$PEERS/bin/step-ca" "$WORK/step-ca/ca.json")
}

step_ca_start() { # KIND
  step_ca_prepare
  "${COMMAND[@]}" >"$WORK/step-ca/log/step-ca.log" 2>&1 &
  SERVER=$!
  await "https://$ADDRESS/health" "$ROOT"
  LOAD=(--target "step-ca-$1" --root "$ROOT" --provisioner-key "$WORK/step-ca/provisioner.der")
  [[ $1 == ssh ]] || LOAD+=(--issuer "$WORK/step-ca/int.crt")
}

p256_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
base64url() { printf '%s' "$1" | xxd -r -p | base64 -w0 | tr '+/' '-_' | tr -d '='; }

# === OpenBao: one node, raft storage, the file audit device, a token that may only sign ===

openbao_prepare() {
  fresh_work
  mkdir -p "$WORK/openbao/data" "$WORK/openbao/audit"
  cd "$WORK/openbao"
  p256_key root.key
  p256_key tls.key
  openssl req -x509 -new -key root.key -sha256 -days 30 -subj '/CN=Bench TLS' \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' -out root.crt
  openssl req -new -key tls.key -subj /CN=bench -out tls.csr
  openssl x509 -req -in tls.csr -CA root.crt -CAkey root.key -CAcreateserial -days 30 -sha256 -out tls.crt \
    -extfile <(printf '%s\n' basicConstraints=CA:FALSE subjectAltName=IP:127.0.0.1 extendedKeyUsage=serverAuth) \
    2>/dev/null
  openssl rand -out seal.key 32
  cat >openbao.hcl <<HCL
ui = false
api_addr = "https://127.0.0.1:$openbao_port"
cluster_addr = "https://127.0.0.1:$((openbao_port + 1))"
log_level = "info"
storage "raft" {
  path = "$PWD/data"
  node_id = "n1"
}
listener "tcp" {
  address = "127.0.0.1:$openbao_port"
  tls_cert_file = "$PWD/tls.crt"
  tls_key_file = "$PWD/tls.key"
}
seal "static" {
  current_key_id = "1"
  current_key = "file://$PWD/seal.key"
}
audit "file" "file" {
  options {
    file_path = "$PWD/audit/audit.log"
  }
}
HCL
  cd "$OLDPWD"
  ADDRESS=127.0.0.1:$openbao_port
  ROOT=$WORK/openbao/root.crt
  PLACES=("$WORK/openbao/data" "$WORK/openbao/audit")
  export BAO_ADDR=https://$ADDRESS BAO_CACERT=$ROOT
  COMMAND=("$PEERS/bin/bao" server -config="$WORK/openbao/openbao.hcl")
}

openbao_start() { # KIND, or x509-unstored
  openbao_prepare
  "${COMMAND[@]}" >>"$WORK/server.log" 2>&1 &
  SERVER=$!
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    ! bao operator init -recovery-shares=1 -recovery-threshold=1 -format=json >"$WORK/openbao/init.json" 2>/dev/null || break
    sleep 0.1
  done
  BAO_TOKEN=$(sed -n 's/.*"root_token": "\(.*\)".*/\1/p' "$WORK/openbao/init.json")
  export BAO_TOKEN
  await "https://$ADDRESS/v1/sys/health" "$ROOT"
  openbao_engines "$1" >"$WORK/openbao/setup.log" 2>&1
  BENCH_TOKEN=$(bao token create -policy=bench -period=24h -field=token)
  export BENCH_TOKEN
}

bao() { "$PEERS/bin/bao" "$@"; }

openbao_engines() { # KIND
  case $1 in
    ssh)
      bao secrets enable ssh
      bao write ssh/config/ca generate_signing_key=true key_type=ed25519
      bao write ssh/roles/bench - <<'JSON'
{"key_type": "ca", "allow_user_certificates": true, "allowed_users": "*", "default_user": "alice",
 "ttl": "30m", "max_ttl": "1h", "default_extensions": {"permit-pty": ""},
 "allowed_extensions": "permit-pty,permit-port-forwarding"}
JSON
      LOAD=(--target openbao-ssh --root "$ROOT" --path /v1/ssh/sign/bench)
      ;;
    x509 | x509-unstored)
      local unstored=false
      [[ $1 == x509 ]] || unstored=true
      bao secrets enable pki
      bao secrets tune -max-lease-ttl=87600h pki
      bao write pki/root/generate/internal common_name='Bench Root' key_type=ec key_bits=256 ttl=87600h
      bao secrets enable -path=pki_int pki
      bao secrets tune -max-lease-ttl=43800h pki_int
      bao write -field=csr pki_int/intermediate/generate/internal common_name='Bench Intermediate' \
        key_type=ec key_bits=256 >"$WORK/openbao/int.csr"
      bao write -field=certificate pki/root/sign-intermediate csr=@"$WORK/openbao/int.csr" ttl=43800h format=pem \
        >"$WORK/openbao/int.crt"
      bao write pki_int/intermediate/set-signed certificate=@"$WORK/openbao/int.crt"
      bao write pki_int/roles/bench allow_any_name=true key_type=ec key_bits=256 ttl=30m max_ttl=1h no_store=$unstored
      LOAD=(--target openbao-x509 --root "$ROOT" --path /v1/pki_int/sign/bench --issuer "$WORK/openbao/int.crt")
      ;;
  esac
  bao policy write bench - <<'HCL'
path "ssh/sign/bench" { capabilities = ["create", "update"] }
path "pki_int/sign/bench" { capabilities = ["create", "update"] }
HCL
}
