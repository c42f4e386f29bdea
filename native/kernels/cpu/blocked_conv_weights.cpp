#include "kernels/cpu/blocked_conv_weights.h"

#include <array>
#include <cstring>
#include <tuple>
#include <vector>

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

/// What three taps become at the points of an edge: row p has (1, p, p^2) over the product of p's distances from the other points.
std::vector<std::array<double, 3>> winogradRows(int edge) {
  const double a = static_cast<double>(kWinogradNear), b = static_cast<double>(kWinogradFar);
  std::vector<double> points = {0, 1, -1};
  if (edge == 4) points = {0, a, -a, b, -b};
  std::vector<std::array<double, 3>> rows;
  for (const double p : points) {
    double distances = 1;
    for (const double q : points)
      if (q != p) distances *= p - q;
    // The transformation of the data for an edge of 2 has its first row with the other sign.
    if (edge == 2 && p == 0) distances = -distances;
    rows.push_back({1 / distances, p / distances, p * p / distances});
  }
  rows.push_back({0, 0, 1});
  return rows;
}

/// [places of a patch] of what packPointwise gives.
AlignedFloats packWinograd(const BlockedConvKernels& kernels, const HostTensor& w, const ConvWindow& window, bool isGradient) {
  const int64_t lanes = kernels.lanes, blocks = (window.results + lanes - 1) / lanes, each = blocks * lanes * window.channels, patch = window.edge + 2;
  const auto rows = winogradRows(window.edge);
  AlignedFloats packed(static_cast<size_t>(patch * patch * each));
  const auto weight = [&](int64_t position, int64_t m, int64_t c) {
    const auto &down = rows[static_cast<size_t>(position / patch)], &across = rows[static_cast<size_t>(position % patch)];
    double sum = 0;
    for (int64_t tap = 0; tap < 9; ++tap)
      sum += down[static_cast<size_t>(tap / 3)] * across[static_cast<size_t>(tap % 3)] *
             static_cast<double>(isGradient ? weightAt(w, (c * window.results + m) * 9 + 8 - tap) : weightAt(w, (m * window.channels + c) * 9 + tap));
    return static_cast<float>(sum);
  };
  parallelFor(patch * patch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t position = begin; position < end; ++position) {
      float* to = packed.data() + position * each;
      for (int64_t block = 0; block < blocks;) {
        const int64_t group = kernels.groupOf(blocks - block);
        for (int64_t c = 0; c < window.channels; ++c)
          for (int64_t m = block * lanes; m < (block + group) * lanes; ++m) *to++ = m >= window.results ? 0.0f : weight(position, m, c);
        block += group;
      }
    }
  });
  return packed;
}

}  // namespace

std::shared_ptr<const AlignedFloats> packedConvWeights(const BlockedConvKernels& kernels, const HostTensor& w, const ConvWindow& window, bool isGradient) {
  using Key = std::tuple<const void*, const BlockedConvKernels*, bool, bool, int64_t, int64_t, int64_t, int>;
  static SharedPacks<Key, AlignedFloats> packs;
  const HostTensor::Identity identity = w.identity();
  const auto pack = window.isPointwise() ? packPointwise : window.isSquare() ? packWinograd : packDepthwise;
  return packs.get(identity, {identity.data, &kernels, window.groups == 1, isGradient, window.channels, window.results, window.kernel[0], window.edge},
                   [&] { return std::make_shared<const AlignedFloats>(pack(kernels, w, window, isGradient)); });
}

}  // namespace ascribe::cpu
