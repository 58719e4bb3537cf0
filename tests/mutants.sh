#!/usr/bin/env bash
# Would our tests see a fault? Puts those of tests/mutants.txt into a copy of the tree, one at a time.
#
#   tests/mutants.sh [--long] [NAME]
#
# Without --long it looks only whether each fault still fits the code, which takes no time. With
# --long it shows that each one's test passes without it and fails with it, by an assertion.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tree=$PWD/target/mutants/tree # stays, so that the next run compiles little
log=$PWD/target/mutants/log
patience=300 # seconds: with a fault in, a test may wait for ever

main() {
  local long='' only=''
  while (($#)); do
    case "$1" in
      --long) long=1 ;;
      -*) fail 'usage: tests/mutants.sh [--long] [NAME]' ;;
      *) only=$1 ;;
    esac
    shift
  done

  read_faults tests/mutants.txt "$only"
  ((${#names[@]})) || fail "no such fault in tests/mutants.txt"
  each 'can be put in' fits
  if [[ -n $long ]]; then
    copy_tree
    cd "$tree"
    export CARGO_TARGET_DIR=$tree/target JIT_CA_BIN_DIR=$tree/target/debug CARGO_PROFILE_DEV_DEBUG=0
    each 'has a test that passes without it' is_green_without
    each 'makes that test fail' is_red_with
  fi
}

fail() {
  echo "error: $1" >&2
  exit 1
}

names=()
declare -A meaning file old new package test
outcome='' running=''

read_faults() {
  local key rest name=''
  while read -r key rest; do
    case "$key" in
      '' | '#'*) continue ;;
      fault)
        name=${rest%%:*}
        [[ -z ${meaning[$name]:-} ]] || fail "two faults are named $name"
        meaning[$name]=${rest#*: }
        [[ -n $2 && $name != "$2" ]] || names+=("$name")
        ;;
      in) file[$name]=$rest ;;
      -) old[$name]=$rest ;;
      +) new[$name]=$rest ;;
      red) read -r "package[$name]" "test[$name]" <<<"$rest" ;;
      *) fail "$1: no line begins with $key" ;;
    esac
  done <"$1"
  for name in "${names[@]}"; do
    [[ -v file[$name] && -v old[$name] && -v new[$name] && -v test[$name] ]] || fail "$1: $name lacks a line"
  done
}

# Checks one thing about every fault, and ends here if it does not hold for all. A check that does
# not hold says why in `no`.
each() {
  local what=$1 check=$2 name no wrong=0
  printf '\nEach fault %s:\n' "$what"
  for name in "${names[@]}"; do
    no='' SECONDS=0
    if "$check" "$name"; then
      printf '  yes %4d s  %-24s %s\n' "$SECONDS" "$name" "${meaning[$name]}"
    else
      printf '  NO  %4d s  %-24s %s\n' "$SECONDS" "$name" "$no"
      wrong=$((wrong + 1))
    fi
  done
  ((wrong == 0)) || fail "$wrong of ${#names[@]} not so: each fault $what"
}

# The old line stands in its file once, whatever its indentation.
fits() {
  local count
  count=$(sed 's/^[[:space:]]*//; s/[[:space:]]*$//' "${file[$1]}" | grep -cxF -e "${old[$1]}") || true
  [[ $count == 1 ]] || { no="$count such lines in ${file[$1]}: ${old[$1]}"; return 1; }
}

is_green_without() {
  run_test "$1" || return 1
  [[ $outcome == '1 passed, 0 failed' ]] || { cat "$log"; no="$outcome: ${test[$1]}"; return 1; }
}

is_red_with() {
  local good
  good=$(<"${file[$1]}")
  put_in "$1"
  run_test "$1" || true
  printf '%s\n' "$good" >"${file[$1]}"
  [[ -z $no ]] || return 1
  [[ $outcome == '0 passed, 1 failed' ]] || { no="$outcome: ${test[$1]}, though ${meaning[$1]}"; return 1; }
}

put_in() {
  local faulty
  faulty=$(OLD="${old[$1]}" NEW="${new[$1]}" awk '
    { line = $0; gsub(/^[ \t]+|[ \t]+$/, "", line) }
    line == ENVIRON["OLD"] { match($0, /^[ \t]*/); $0 = substr($0, 1, RLENGTH) ENVIRON["NEW"] }
    { print }' "${file[$1]}")
  printf '%s\n' "$faulty" >"${file[$1]}"
}

# Leaves in `outcome` what the one test came to. Fails, with `no`, where it could not run to its end.
run_test() {
  local cargo=(cargo test --locked --package "${package[$1]}" --tests)
  if ! compile "$1" >"$log" 2>&1; then
    cat "$log"
    no='does not compile'
    return 1
  fi
  timeout --kill-after=10 "$patience" "${cargo[@]}" --no-fail-fast -- --exact "${test[$1]}" >"$log" 2>&1 &
  running=$!
  local status=0
  wait "$running" || status=$?
  if ((status == 124 || status == 137)); then
    no="took longer than $patience s: ${test[$1]}"
    return 1
  fi
  outcome=$(awk '/^test result:/ { passed += $4; failed += $6 } END { printf "%d passed, %d failed", passed, failed }' "$log")
}

# A step of its own, so that what does not compile is never taken for a test that fails. The
# end-to-end tests start programs of the other packages.
compile() {
  if [[ ${package[$1]} == jit-ca-tests ]]; then
    cargo build --workspace --locked || return 1
  fi
  "${cargo[@]}" --no-run
}

# By content, so that what is the same keeps its time of change and is not compiled again; what
# differs (a fault that was left in, too) gets the time of now.
copy_tree() {
  local skip=(-path ./target -o -path ./.git -o -path ./.tools) path
  mkdir -p "$tree"
  while IFS= read -r -d '' path; do
    cmp --silent "$path" "$tree/$path" && continue
    mkdir -p "$(dirname "$tree/$path")"
    cp --no-preserve=timestamps "$path" "$tree/$path"
  done < <(find . \( "${skip[@]}" \) -prune -o -type f -print0)
  while IFS= read -r -d '' path; do
    [[ -e $path ]] || rm "$tree/$path"
  done < <(cd "$tree" && find . \( "${skip[@]}" \) -prune -o -type f -print0)
}

exec </dev/null
trap 'kill $running 2>/dev/null; exit 130' INT TERM
main "$@"
