#include "methods/probe_job.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/cpu/isa.h"
#include "runtime/cpu_information.h"
#include "runtime/memory.h"
#include "runtime/parallel.h"
#include "runtime/probe/multiply_add.h"

namespace ascribe {

namespace {

using Clock = std::chrono::steady_clock;
double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

const MultiplyAdd& best() {
#if defined(__x86_64__)
  const std::string isa = cpuInformation().isa;
  if (isa == "avx512") return multiplyAddAvx512;
  if (isa == "avx2") return multiplyAddAvx2;
#elif defined(__aarch64__)
  if (cpuInformation().isa == "neon") return multiplyAddNeon;
#endif
  return multiplyAddBaseline;
}

double measureArithmetic(const MultiplyAdd& arithmetic, int threads) {
  constexpr int64_t rounds = 400'000;
  std::vector<double> operations(static_cast<size_t>(threads));
  const auto start = Clock::now();
  parallelFor(threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float sum = 0;
      operations[static_cast<size_t>(i)] = arithmetic.run(rounds, &sum);
      volatile float sink = sum;  // the result must not look unused
      (void)sink;
    }
  });
  double total = 0;
  for (double count : operations) total += count;
  return total / secondsSince(start) / 1e9;
}

/// a = b + c * d over arrays that no cache holds; writes count once, as they do for a kernel's results.
double measureStream() {
  constexpr int64_t count = int64_t{16} << 20;
  const Block block(nullptr, 3 * count * sizeof(float), "the bandwidth probe");
  float* a = static_cast<float*>(block.data());
  float *b = a + count, *c = b + count;
  const auto pass = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) a[i] = b[i] + 0.5f * c[i];
  };
  parallelFor(3 * count, 1 << 16, [&](int64_t begin, int64_t end) { std::fill(a + begin, a + end, 1.0f); });
  double fastest = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = Clock::now();
    parallelFor(count, 1 << 16, pass);
    fastest = std::min(fastest, secondsSince(start));
  }
  return 3.0 * static_cast<double>(count) * sizeof(float) / fastest / 1e9;
}

}  // namespace

Job::Step ProbeJob::advance(Slice& slice) {
  constexpr int repeats = 5;
  slice.checkCancelled();
  threads_ = parallelWidth();
  // The best of several turns: another program on the machine must not be measured with it.
  gflopsOneThread_ = std::max(gflopsOneThread_, measureArithmetic(best(), 1));
  gflops_ = std::max(gflops_, measureArithmetic(best(), threads_));
#if defined(__x86_64__)
  if (cpu::bf16Kernels() != nullptr) bf16Gflops_ = std::max(bf16Gflops_, measureArithmetic(multiplyAddAvx512Bf16, threads_));
#endif
  if (++turn_ < repeats) return Step::More;
  gigabytesPerSecond_ = measureStream();
  return Step::Done;
}

}  // namespace ascribe
