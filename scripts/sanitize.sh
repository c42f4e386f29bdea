#!/usr/bin/env bash
# Runs the native tests, and the addon inside Node, under the sanitizers and valgrind. docs/development.md says what
# each part covers. Usage: scripts/sanitize.sh [address] [thread] [valgrind]; all three by default.
set -euo pipefail
cd "$(dirname "$0")/.."
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(address thread valgrind)
jobs=${ASCRIBE_BUILD_JOBS:-$(nproc)}

build() {  # folder, cmake options…
  local folder=$1
  shift
  node node_modules/cmake-js/bin/cmake-js configure --out "$folder" "$@" > /dev/null
  cmake --build "$folder" --parallel "$jobs" > /dev/null
}

address() {
  # Leaks count too. UndefinedBehaviorSanitizer stops at the first finding (-fno-sanitize-recover).
  build build/address --CDASCRIBE_SANITIZE=address,undefined --CDCMAKE_CXX_FLAGS_RELEASE=-O1
  export UBSAN_OPTIONS=print_stacktrace=1
  # Without detect_stack_use_after_return: GCC 12 puts its fake frames on 32-byte boundaries, and AVX-512 code stores
  # its vectors on 64-byte ones (GCC bug 110027).
  ASAN_OPTIONS=detect_stack_use_after_return=0 build/address/ascribe_tests
  # Node is not built with the sanitizer, so its runtime comes first. V8's own leaks at exit are not ours to judge;
  # the native tests judge the engine's. Node's workers unwind through frames the sanitizer does not know.
  npm run -s build:ts
  # node-gyp-build looks into build/Release of the folder that this variable names.
  ln -sfn . build/address/build
  local runtime
  runtime=$(${CXX:-c++} -print-file-name=libasan.so)
  for program in ordinaryWork terminateWorkers exitDuringJob disposeAll; do
    echo "== $program under AddressSanitizer"
    ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$runtime $(${CXX:-c++} -print-file-name=libstdc++.so.6)" \
      ASCRIBE_PREBUILD="$PWD/build/address" node --expose-gc "build/ts/test/robustness/programs/$program.js" --quick
  done
}

thread() {
  build build/thread --CDASCRIBE_SANITIZE=thread --CDCMAKE_CXX_FLAGS_RELEASE=-O1
  for filter in device engine/ fair_queue gradient_ensemble memory/ parallel; do
    # A test forks, and the child starts threads of its own.
    TSAN_OPTIONS=die_after_fork=0 build/thread/ascribe_tests --filter "$filter"
  done
}

valgrind_() {
  # Valgrind knows no AVX-512.
  build build/valgrind --CDCMAKE_CXX_FLAGS_RELEASE=-O1 --CDCMAKE_CXX_FLAGS=-g
  for filter in device gradient_ensemble memory/ fair_queue onnx_scan cpu_product autodiff_examples; do
    ASCRIBE_MAX_ISA=avx2 valgrind --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --quiet \
      --suppressions=scripts/valgrind.supp build/valgrind/ascribe_tests --filter "$filter"
  done
}

for part in "${parts[@]}"; do
  case $part in
    address) address ;;
    thread) thread ;;
    valgrind) valgrind_ ;;
    *) echo "unknown part '$part'" >&2; exit 2 ;;
  esac
done
echo "sanitize: ${parts[*]} clean"
