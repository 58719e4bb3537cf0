#!/usr/bin/env bash
# Everything that a change must pass, from a fresh clone to the last line.
#
#   tests/run.sh [--long] [FILTER]
#
#   FILTER  build, then run only the tests with this in their names
#   --long  the tests at their full counts, each fault of tests/mutants.txt put in and found, a log of a million
#           entries verified, and each parser of strangers' bytes fuzzed for a minute
#
# Runs from anywhere, as root or with sudo, and asks nothing. It stops at the first step that
# fails and shows what that step said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo_deny=0.20.2

main() {
  local long='' filter=''
  while (($#)); do
    case "$1" in
      --long) long=--long ;;
      -*) usage ;;
      *) filter=$1 ;;
    esac
    shift
  done
  [[ -z $long ]] || export JIT_CA_LONG=1
  # The end-to-end tests start what the build step has built.
  JIT_CA_BIN_DIR=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/debug")
  export JIT_CA_BIN_DIR

  step 'install' deploy/install-deps.sh tests
  if [[ -z $filter ]]; then
    step 'format' cargo fmt --all --check
    step 'shell scripts' check_shell_scripts
    step 'mutants apply' tests/mutants.sh
    step 'clippy' cargo clippy --workspace --all-targets --locked -- -D warnings
    step 'dependencies' check_dependencies
    step 'documentation' env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
  fi
  step 'build' cargo build --workspace --locked
  step 'tests' run_tests "$filter"
  passed=$(count passed)
  if [[ -n $long ]]; then
    step 'mutants are found' tests/mutants.sh --long
    step 'a million entries' cargo test --release --locked --package jit-ca-log -- --ignored
    step 'fuzz' tests/fuzz/run.sh
  fi
  echo "$passed passed, 0 failed"
}

usage() {
  echo 'usage: tests/run.sh [--long] [FILTER]' >&2
  exit 2
}

check_shell_scripts() {
  find deploy tests -name '*.sh' -exec shellcheck --external-sources .ci/run {} +
}

# Debian has no cargo-deny. Ours is built once, which takes two minutes.
check_dependencies() {
  PATH="$PATH:$PWD/.tools/bin"
  command -v cargo-deny || cargo install cargo-deny --version "$cargo_deny" --locked --root .tools
  cargo-deny --locked --log-level error check bans licenses sources
}

run_tests() {
  cargo test --workspace --locked --no-fail-fast -- "$@"
  if (($(count passed) == 0)); then
    echo "error: no test ran"
    return 1
  fi
}

# Runs a step with its output kept back. Under `set -e` a failure ends this script, in `finish`.
step() {
  current=$1
  printf '%-20s' "$current"
  SECONDS=0
  ("${@:2}") >"$log" 2>&1
  printf '%5d s\n' "$SECONDS"
  current=''
}

# How many tests passed or failed, by the closing lines of cargo's test runs.
count() {
  awk -v what="$1;" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i == what) n += $(i - 1) } END { print n + 0 }' "$log"
}

finish() {
  local status=$?
  if [[ -n $current ]]; then
    printf '%5d s\n\n' "$SECONDS"
    # All but the lines that say only that something is well.
    sed -E '/^ +(Blocking|Checking|Compiling|Documenting|Downloaded|Downloading|Running) /d
      /^running [0-9]+ tests?$|^test .* \.\.\. (ok|ignored)$|^test result: ok/d' "$log" | cat --squeeze-blank
    (($(count failed) == 0)) || echo "$(count passed) passed, $(count failed) failed"
    echo "FAILED: $current"
  fi
  rm -f "$log"
  exit "$status"
}

exec </dev/null
export CARGO_TERM_COLOR=never
log=$(mktemp)
current=''
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
main "$@"
