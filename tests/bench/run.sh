#!/usr/bin/env bash
# Measures jit-ca, its peers and the machine's limit, side by side on this machine.
#
#   tests/bench/run.sh                                  all of it, then the tables of docs/PERFORMANCE.md; about an hour
#   tests/bench/run.sh quick                            all servers at 64 connections for 5 seconds; some minutes
#   tests/bench/run.sh ours ssh|x509 [CONNS [SECONDS]]  jit-ca alone: 64 connections, 5 seconds
#   tests/bench/run.sh one SERVER ssh|x509 [CONNS [SECONDS]]   jit-ca, limit, step-ca, openbao or openbao-unstored
#   tests/bench/run.sh webhooks                         jit-ca with receivers of webhooks that are ill, and with none
#   tests/bench/run.sh report                           the tables again, from what was measured before
#
# Peers are those that setup.sh has put into tests/bench/peers (or PEERS). JIT_CA_BIN_DIR names a folder with other
# builds of jit-cad and jit-ca to measure; without it this tree's are built. ROUNDS, MEASURED (seconds) and
# CONNECTIONS shorten or lengthen it. Nothing else should run on the machine: the tables say what others took of it.
# shellcheck source-path=SCRIPTDIR source=servers.sh
. "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

ROUNDS=${ROUNDS:-3}
MEASURED=${MEASURED:-10}
CONNECTIONS=${CONNECTIONS:-1 16 64 256}
out=$RESULTS/results.jsonl

main() {
  local what=${1:-all}
  [[ $what == report ]] || build
  case $what in
    all) all ;;
    quick) quick ;;
    ours) one jit-ca "${@:2}" ;;
    one) one "${@:2}" ;;
    webhooks) webhooks ;;
    report) report ;;
    *)
      sed -n '4,10s/^# *//p' "$0" >&2
      exit 2
      ;;
  esac
}

all() {
  mkdir -p "$RESULTS"
  rm -f "$out"
  local round
  for ((round = 1; round <= ROUNDS; round++)); do
    each_server series "$round"
  done
  coldstarts
  commands
  report
}

quick() {
  CONNECTIONS=64 MEASURED=5 out=$RESULTS/quick.jsonl
  mkdir -p "$RESULTS"
  rm -f "$out"
  each_server loads quick
}

# What requests have it tell, to nobody or to those who don't listen, is told while certificates are measured.
webhooks() {
  CONNECTIONS=64 out=$RESULTS/webhooks.jsonl
  mkdir -p "$RESULTS"
  rm -f "$out"
  local round receivers asking
  for ((round = 1; round <= ROUNDS; round++)); do
    for receivers in none ill; do
      jit_ca_start ssh "$receivers"
      while sleep 0.1; do
        "${someone[@]}" "$JIT_CA_BIN_DIR/jit-ca" request measured --reason "INC-42: it is slow"
      done >>"$WORK/asked" 2>&1 &
      asking=$!
      load "$round" "$receivers" ssh --connections 64
      kill "$asking"
      wait "$asking" 2>/dev/null || true
      say "$receivers: $(grep -c '^request ' "$WORK/asked") asked; what waits for receivers:"
      "$JIT_CA_BIN_DIR/jit-cad" notify list --config "$WORK/jit-ca/ca/config/jit-cad.toml" | sed -n 1,6p >&2
      stop_server
    done
  done
}

one() { # SERVER KIND [CONNECTIONS [SECONDS]]
  CONNECTIONS=${3:-64} MEASURED=${4:-5} out=$RESULTS/one.jsonl
  mkdir -p "$RESULTS"
  loads one "$1" "$2"
}

# Each server after the other, so that what the machine does in between falls on all.
each_server() { # WHAT ROUND
  local kind server
  for kind in ssh x509; do
    for server in jit-ca limit step-ca openbao openbao-unstored; do
      [[ $server-$kind != openbao-unstored-ssh ]] || continue
      "$1" "$2" "$server" "$kind"
    done
  done
}

start() { # SERVER KIND
  case $1 in
    jit-ca) jit_ca_start "$2" ;;
    limit) limit_start "$2" ;;
    step-ca) step_ca_start "$2" ;;
    openbao) openbao_start "$2" ;;
    openbao-unstored) openbao_start "$2-unstored" ;;
  esac
}

# A fresh server, loaded with each number of connections.
loads() { # ROUND SERVER KIND
  start "$2" "$3"
  local connections
  for connections in $CONNECTIONS; do load "$@" --connections "$connections"; done
  stop_server
}

# The same, then at 70 % of the highest rate that it had; and what is on disk in the end.
series() { # ROUND SERVER KIND
  start "$2" "$3"
  local connections before
  before=$("$bench" disk --name "$2" "${PLACES[@]/#/--path=}")
  for connections in $CONNECTIONS; do load "$@" --connections "$connections"; done
  load "$@" --connections 64 --share 0.7
  stop_server
  "$bench" disk --name "$2" "${PLACES[@]/#/--path=}" --before "$before" --series "$1-$2-$3" --out "$out"
}

load() { # ROUND SERVER KIND OPTION...
  "$bench" load "${LOAD[@]}" --address "$ADDRESS" --pid "$SERVER" --seconds "$MEASURED" --out "$out" \
    --tag "server=$2" --tag "series=$1-$2-$3" "${@:4}"
}

# How soon each is ready, and how much memory it takes when nobody calls.
coldstarts() {
  jit_ca_start ssh
  coldstart jit-ca /readyz
  jit_ca_serve
  out=$RESULTS/filled.jsonl MEASURED=30 load filled jit-ca ssh --connections 64
  coldstart jit-ca-filled-and-killed /readyz --kill
  step_ca_start ssh
  coldstart step-ca /health
  openbao_start ssh
  coldstart openbao /v1/sys/health
}

coldstart() { # NAME PATH OPTION...
  stop_server
  "$bench" coldstart --name "$1" --address "$ADDRESS" --root "$ROOT" --path "$2" --log "$WORK/server.log" \
    --out "$out" "${@:3}" -- "${COMMAND[@]}"
}

# How long one command takes that has a certificate issued.
commands() {
  jit_ca_start ssh
  command_time 'jit-ca cert ssh' "${someone[@]}" "$JIT_CA_BIN_DIR/jit-ca" cert ssh --out "$WORK/ssh"
  command_time 'jit-ca cert x509' "${someone[@]}" "$JIT_CA_BIN_DIR/jit-ca" cert x509 --out "$WORK/x509"
  stop_server
  openbao_start ssh
  ssh-keygen -q -t ed25519 -N '' -f "$WORK/id"
  export BAO_TOKEN=$BENCH_TOKEN
  command_time 'bao write ssh/sign' "$PEERS/bin/bao" write -field=signed_key ssh/sign/bench \
    public_key=@"$WORK/id.pub" valid_principals=alice
  stop_server
}

command_time() { # NAME COMMAND...
  "$bench" command --name "$1" --out "$out" -- "${@:2}"
}

report() {
  "$bench" report --results "$out" --into "$repository/docs/PERFORMANCE.md"
}

exec </dev/null
main "$@"
