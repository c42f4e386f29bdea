#include "kernels/cpu/patches.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ascribe::cpu {

bool geometryOf(const Node& node, const Shape& data, const Shape& weights, const Shape& result, Geometry2d& g) {
  const int spatial = weights.rank() - 2;
  if (spatial > 2) return false;
  const auto& strides = node.attributes.integers("strides");
  const auto& dilations = node.attributes.integers("dilations");
  const auto& pads = node.attributes.integers("pads");
  g.group = node.attributes.integer("group");
  g.inChannels = data.at(-spatial - 1);
  g.outChannels = result.at(-spatial - 1);
  g.batch = data.count(0, data.rank() - spatial - 1);
  g.inWidth = data.at(-1), g.outWidth = result.at(-1), g.kernelWidth = weights.at(-1);
  g.strideX = strides.back(), g.dilationX = dilations.back(), g.padX = pads[static_cast<size_t>(spatial) - 1];
  if (spatial == 2) {
    g.inHeight = data.at(-2), g.outHeight = result.at(-2), g.kernelHeight = weights.at(-2);
    g.strideY = strides[0], g.dilationY = dilations[0], g.padY = pads[0];
  }
  return true;
}

PatchPacker::PatchPacker(const Geometry2d& geometry, const float* source, bool backward, int panelWidth)
    : g_(geometry), source_(source), backward_(backward), width_(panelWidth) {
  linePlane_ = backward ? g_.inPlane() : g_.outPlane();
  lineWidth_ = backward ? g_.inWidth : g_.outWidth;
  sourcePlane_ = backward ? g_.outPlane() : g_.inPlane();
  channels_ = (backward ? g_.outChannels : g_.inChannels) / g_.group;
  imageStride_ = (backward ? g_.outChannels : g_.inChannels) * sourcePlane_;
}

int64_t PatchPacker::lines() const { return g_.batch * linePlane_; }

int64_t PatchPacker::offsetOf(int64_t at, int64_t tap) const {
  const int64_t y = at / lineWidth_, x = at % lineWidth_, ky = tap / g_.kernelWidth, kx = tap % g_.kernelWidth;
  if (!backward_) {
    const int64_t sy = y * g_.strideY - g_.padY + ky * g_.dilationY, sx = x * g_.strideX - g_.padX + kx * g_.dilationX;
    return sy < 0 || sy >= g_.inHeight || sx < 0 || sx >= g_.inWidth ? -1 : sy * g_.inWidth + sx;
  }
  const int64_t ty = y + g_.padY - ky * g_.dilationY, tx = x + g_.padX - kx * g_.dilationX;
  if (ty < 0 || tx < 0 || ty % g_.strideY || tx % g_.strideX) return -1;
  const int64_t sy = ty / g_.strideY, sx = tx / g_.strideX;
  return sy >= g_.outHeight || sx >= g_.outWidth ? -1 : sy * g_.outWidth + sx;
}

void PatchPacker::operator()(float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) const {
  constexpr int kWidest = 64;
  std::array<int64_t, kWidest> image{}, at{}, offset{};
  const int64_t taps = g_.taps(), depthEnd = depthBegin + depth;
  for (int64_t line = 0; line < count; line += width_, panels += depth * width_) {
    const int lanes = static_cast<int>(std::min<int64_t>(width_, count - line));
    for (int i = 0; i < lanes; ++i) {
      image[static_cast<size_t>(i)] = (first + line + i) / linePlane_ * imageStride_;
      at[static_cast<size_t>(i)] = (first + line + i) % linePlane_;
    }
    for (int64_t tap = 0; tap < taps; ++tap) {
      // Channels of this tap within the depths asked for; no lane's place depends on the channel.
      int64_t channel = depthBegin > tap ? (depthBegin - tap + taps - 1) / taps : 0;
      if (channel >= channels_ || channel * taps + tap >= depthEnd) continue;
      bool run = true;
      for (int i = 0; i < lanes; ++i) {
        const auto lane = static_cast<size_t>(i);
        const int64_t inPlane = offsetOf(at[lane], tap);
        offset[lane] = inPlane < 0 ? -1 : image[lane] + inPlane;
        run = run && offset[lane] >= 0 && offset[lane] == offset[0] + i;
      }
      for (; channel < channels_ && channel * taps + tap < depthEnd; ++channel) {
        float* row = panels + (channel * taps + tap - depthBegin) * width_;
        const float* plane = source_ + channel * sourcePlane_;
        if (run) std::memcpy(row, plane + offset[0], static_cast<size_t>(lanes) * sizeof(float));
        else
          for (int i = 0; i < lanes; ++i) row[i] = offset[static_cast<size_t>(i)] < 0 ? 0.0f : plane[offset[static_cast<size_t>(i)]];
        for (int i = lanes; i < width_; ++i) row[i] = 0;
      }
    }
  }
}

}  // namespace ascribe::cpu
