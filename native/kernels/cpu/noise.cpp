#include "kernels/cpu/noise.h"

#include <algorithm>
#include <bit>

#include "kernels/cpu/isa.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {

#if defined(__x86_64__)
uint32_t noiseAvx512(const RandomStream::Name& stream, uint64_t pair, double deviation, const float* x, float* y);
#endif

namespace {

NoiseKernel noiseKernel() {
#if defined(__x86_64__)
  if (kernels().isa >= Isa::Avx512) return noiseAvx512;
#endif
  return nullptr;
}

void addOne(const RandomStream& stream, uint64_t element, double deviation, float x, float& y) {
  y = static_cast<float>(static_cast<double>(x) + deviation * stream.normal(element));
}

void addPairs(const RandomStream& stream, uint64_t first, double deviation, const float* x, float* y, int64_t count) {
  int64_t i = 0;
  if (first % 2 != 0 && count > 0) addOne(stream, first, deviation, x[i], y[i]), ++i;
  for (; i + 1 < count; i += 2) {
    const auto pair = stream.normalPair((first + static_cast<uint64_t>(i)) / 2);
    for (int64_t lane = 0; lane < 2; ++lane)
      y[i + lane] = static_cast<float>(static_cast<double>(x[i + lane]) + deviation * pair[static_cast<size_t>(lane)]);
  }
  if (i < count) addOne(stream, first + static_cast<uint64_t>(i), deviation, x[i], y[i]);
}

}  // namespace

void addNormalNoise(const RandomStream& stream, uint64_t first, double deviation, const float* x, float* y, int64_t count) {
  const NoiseKernel kernel = noiseKernel();
  const RandomStream::Name name = stream.name();
  parallelFor((count + kNoiseElements - 1) / kNoiseElements, 1 << 8, [&](int64_t begin, int64_t end) {
    const int64_t last = std::min(end * kNoiseElements, count);
    int64_t i = begin * kNoiseElements;
    for (; kernel != nullptr && first % 2 == 0 && i + kNoiseElements <= last; i += kNoiseElements) {
      const uint64_t element = first + static_cast<uint64_t>(i);
      float kept[kNoiseElements];  // x, where the result takes its place
      std::copy_n(x + i, kNoiseElements, kept);
      for (uint32_t doubtful = kernel(name, element / 2, deviation, kept, y + i); doubtful != 0; doubtful &= doubtful - 1) {
        const int lane = std::countr_zero(doubtful);
        addOne(stream, element + static_cast<uint64_t>(lane), deviation, kept[lane], y[i + lane]);
      }
    }
    addPairs(stream, first + static_cast<uint64_t>(i), deviation, x + i, y + i, last - i);
  });
}

}  // namespace ascribe::cpu
