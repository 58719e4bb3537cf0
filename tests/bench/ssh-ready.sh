#!/usr/bin/env bash
# How long ssh waits for jit-ca where the certificate is there: docs/PERFORMANCE.md, "What each ssh waits for".
#
#   tests/bench/ssh-ready.sh [FOLDER]   a folder with jit-ca; target/release unless it is given
#
# No CA is needed, which shows that none is asked: ssh-keygen makes a certificate of the same form.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
jit_ca=${1:-$repository/target/release}/jit-ca
runs=200

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME=$work XDG_CONFIG_HOME=$work/config XDG_RUNTIME_DIR=$work/run
unset SSH_AUTH_SOCK JIT_CA_SSH

ready=$XDG_CONFIG_HOME/jit-ca/ssh/deploy@web1
mkdir -p "$ready"
ssh-keygen -q -t ed25519 -N '' -f "$work/ca"
ssh-keygen -q -t ed25519 -N '' -f "$ready/key"
id=jit-ca:g-01m3250v000w3ge1r70w3ge1r7:i-01m3250v000w3ge1r70w3ge1r7:alice
ssh-keygen -q -s "$work/ca" -I "$id" -n web-shell.web1 -V +1h "$ready/key.pub"

# NAME COMMAND...: median and slowest of all runs, and the mean of what the processor worked, in milliseconds.
measure() {
  local name=$1 begun
  shift
  "$@" >/dev/null
  TIMEFORMAT='%3U %3S'
  { time for ((run = 0; run < runs; run++)); do
    begun=${EPOCHREALTIME/./}
    "$@" >/dev/null
    echo $((${EPOCHREALTIME/./} - begun))
  done >"$work/took"; } 2>"$work/cpu"
  sort -n "$work/took" | awk -v name="$name" -v cpu="$(<"$work/cpu")" '
    { of[NR] = $1 / 1000 }
    END {
      split(cpu, part, " ")
      each = (part[1] + part[2]) * 1000 / NR
      printf "| %s | %d | %.1f | %.1f | %.1f |\n", name, NR, of[int((NR + 1) / 2)], of[NR], each
    }'
}

measure 'jit-ca ssh-ready' "$jit_ca" ssh-ready deploy@web1
measure 'jit-ca --version' "$jit_ca" --version
measure '/bin/true' /bin/true
