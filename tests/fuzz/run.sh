#!/usr/bin/env bash
# Looks for inputs that the parsers of strangers' bytes can't take: libFuzzer, by coverage.
#
#   tests/fuzz/run.sh [--seconds N] [TARGET]
#
#   TARGET     this one alone
#   --seconds  how long each, 60 unless told
#
# It begins with the corpus of tests/fuzz/corpus and with what it found worth keeping before, in target/fuzz. An input that
# something fails for is left in target/fuzz/TARGET.found-…, and shown.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=60
only=''
while (($#)); do
  case "$1" in
    --seconds) seconds=$2 && shift ;;
    -*) echo 'usage: tests/fuzz/run.sh [--seconds N] [TARGET]' >&2 && exit 2 ;;
    *) only=$1 ;;
  esac
  shift
done
[[ -d tests/fuzz/corpus/$only ]] || { echo "error: there is no target $only in tests/fuzz/corpus" >&2 && exit 2; }

# What cargo-fuzz has rustc do, but for the address sanitiser: there is no unsafe code of ours to look at, and without it
# no unstable flag is needed. Build scripts and macros are not instrumented, as there is a --target.
host=$(rustc -vV | sed -n 's/^host: //p')
flags='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
flags+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
flags+=' -Cllvm-args=-sanitizer-coverage-trace-compares'
RUSTFLAGS=$flags CARGO_TARGET_DIR=target/fuzz cargo build --quiet --locked --package jit-ca-fuzz --features libfuzzer \
  --profile fuzz --target "$host"

fuzz=target/fuzz/$host/fuzz/jit-ca-fuzz
found=0
for corpus in tests/fuzz/corpus/${only:-*}; do
  name=$(basename "$corpus")
  kept=target/fuzz/kept/$name
  mkdir -p "$kept"
  # A single input may take two seconds and half a gigabyte: all of these are bounded to kilobytes.
  if ! JIT_CA_FUZZ=$name "$fuzz" "$kept" "$corpus" -max_total_time="$seconds" -max_len=20000 -timeout=2 -rss_limit_mb=512 \
    -artifact_prefix="target/fuzz/$name.found-" -print_final_stats=1 >"target/fuzz/$name.log" 2>&1; then
    found=1
    tail -30 "target/fuzz/$name.log"
  fi
  printf '%-12s %s inputs tried\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "target/fuzz/$name.log")"
done
exit "$found"
