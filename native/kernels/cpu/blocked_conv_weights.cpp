#include "kernels/cpu/blocked_conv_weights.h"

#include <cstring>
#include <tuple>

#include "kernels/cpu/shared_pack.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {
namespace {

float weightAt(const HostTensor& w, int64_t index) {
  float value;  // may lie at any byte: over a mapped file
  std::memcpy(&value, static_cast<const char*>(w.data()) + index * static_cast<int64_t>(sizeof value), sizeof value);
  return value;
}

/// [groups][channels][blocks of the group * lanes], results that fill up the last block zero.
AlignedFloats packPointwise(const BlockedConvKernels& kernels, const HostTensor& w, const ConvWindow& window, bool isGradient) {
  const int64_t lanes = kernels.lanes, blocks = (window.results + lanes - 1) / lanes;
  AlignedFloats packed(static_cast<size_t>(blocks * lanes * window.channels));
  float* to = packed.data();
  for (int64_t block = 0; block < blocks;) {
    const int64_t group = kernels.groupOf(blocks - block);
    for (int64_t c = 0; c < window.channels; ++c)
      for (int64_t m = block * lanes; m < (block + group) * lanes; ++m)
        *to++ = m >= window.results ? 0.0f : weightAt(w, isGradient ? c * window.results + m : m * window.channels + c);
    block += group;
  }
  return packed;
}

/// [blocks][taps][lanes]; the gradient's taps in the other order.
AlignedFloats packDepthwise(const BlockedConvKernels& kernels, const HostTensor& w, const ConvWindow& window, bool isGradient) {
  const int64_t lanes = kernels.lanes, blocks = (window.channels + lanes - 1) / lanes, taps = window.kernel[0] * window.kernel[1];
  AlignedFloats packed(static_cast<size_t>(blocks * lanes * taps));
  for (int64_t c = 0; c < blocks * lanes; ++c)
    for (int64_t tap = 0; tap < taps; ++tap)
      packed.data()[(c / lanes * taps + tap) * lanes + c % lanes] = c >= window.channels ? 0.0f : weightAt(w, c * taps + (isGradient ? taps - 1 - tap : tap));
  return packed;
}

/// One of the 16 positions of G g G', G = (1 0 0; 1 1 1; 1 -1 1; 0 0 1) with its middle rows halved; g from the weights by `at(tap)`.
template <class At>
double winogradWeight(int position, At at) {
  constexpr double kG[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  double sum = 0;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) sum += kG[position / 4][r] * kG[position % 4][c] * static_cast<double>(at(r * 3 + c));
  return sum;
}

/// [16] of what packPointwise gives.
AlignedFloats packWinograd(const BlockedConvKernels& kernels, const HostTensor& w, const ConvWindow& window, bool isGradient) {
  const int64_t lanes = kernels.lanes, blocks = (window.results + lanes - 1) / lanes, each = blocks * lanes * window.channels;
  AlignedFloats packed(static_cast<size_t>(16 * each));
  parallelFor(16, 1, [&](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) {
      float* to = packed.data() + position * each;
      for (int64_t block = 0; block < blocks;) {
        const int64_t group = kernels.groupOf(blocks - block);
        for (int64_t c = 0; c < window.channels; ++c)
          for (int64_t m = block * lanes; m < (block + group) * lanes; ++m)
            *to++ = m >= window.results ? 0.0f : static_cast<float>(winogradWeight(static_cast<int>(position), [&](int tap) {
              return isGradient ? weightAt(w, (c * window.results + m) * 9 + 8 - tap) : weightAt(w, (m * window.channels + c) * 9 + tap);
            }));
        block += group;
      }
    }
  });
  return packed;
}

}  // namespace

std::shared_ptr<const AlignedFloats> packedConvWeights(const BlockedConvKernels& kernels, const HostTensor& w, const ConvWindow& window, bool isGradient) {
  using Key = std::tuple<const void*, const BlockedConvKernels*, bool, bool, int64_t, int64_t, int64_t>;
  static SharedPacks<Key, AlignedFloats> packs;
  const HostTensor::Identity identity = w.identity();
  const auto pack = window.isPointwise() ? packPointwise : window.isSquare() ? packWinograd : packDepthwise;
  return packs.get(identity, {identity.data, &kernels, window.groups == 1, isGradient, window.channels, window.results, window.kernel[0]},
                   [&] { return std::make_shared<const AlignedFloats>(pack(kernels, w, window, isGradient)); });
}

}  // namespace ascribe::cpu
