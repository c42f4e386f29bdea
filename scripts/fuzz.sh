#!/usr/bin/env bash
# Builds the libFuzzer targets of test/fuzz/native with clang, AddressSanitizer and UndefinedBehaviorSanitizer, and runs
# them one after the other. Usage: scripts/fuzz.sh [target] [seconds] [libFuzzer options…]; target `scan`, `graph` or
# `all` (default), 60 seconds each. What a run finds lies in build/fuzz/found, what it learns in build/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-all}
seconds=${2:-60}
shift $(($# < 2 ? $# : 2))
jobs=${ASCRIBE_BUILD_JOBS:-$(nproc)}
targets=$target
[ "$target" != all ] || targets=$(ls test/fuzz/native/*_fuzz.cpp | xargs -n1 basename | sed 's/_fuzz.cpp//')
# Debian names its clang with the version too.
clang=${CLANG:-$(command -v clang || ls /usr/bin/clang-[0-9]* | sort -V | tail -1)}
cxx=${clang/clang/clang++}

cmake -S . -B build/fuzz/cmake -DASCRIBE_FUZZ=ON -DCMAKE_C_COMPILER="$clang" -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_CXX_FLAGS_RELEASE=-O1 > /dev/null
for name in $targets; do
  cmake --build build/fuzz/cmake --target "fuzz_$name" --parallel "$jobs" > /dev/null
done

export UBSAN_OPTIONS=print_stacktrace=1
mkdir -p build/fuzz/found
status=0
for name in $targets; do
  corpus=build/fuzz/corpus/$name
  seeds=test/fuzz/native/seeds/$name
  mkdir -p "$corpus"
  [ ! -d "$seeds" ] || corpus="$corpus $seeds"
  # More seeds where the TypeScript tests are built.
  if [ "$name" = scan ] && [ -f build/ts/test/fuzz/writeSeeds.js ]; then
    node build/ts/test/fuzz/writeSeeds.js --to build/fuzz/seeds/scan
    corpus="$corpus build/fuzz/seeds/scan"
  fi
  echo "== fuzz_$name for $seconds s"
  # shellcheck disable=SC2086
  build/fuzz/cmake/fuzz_"$name" $corpus -artifact_prefix="build/fuzz/found/$name-" -max_total_time="$seconds" \
    -max_len=1024 -len_control=0 -timeout=60 -rss_limit_mb=3072 -print_final_stats=1 "$@" || status=$?
done
exit $status
