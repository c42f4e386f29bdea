#include "kernels/cpu/im2col.h"

#include <algorithm>
#include <cstring>

namespace ascribe::cpu {
namespace {

constexpr int64_t kWidest = 32;

/// Neighbouring columns of a panel that lie in one row of one image.
struct Run {
  int64_t begin, length;
  const float* image;
  int64_t at[3];  // of the first tap, before its offset
};

void copyShort(float* to, const float* from, int64_t n) {
  for (; n >= 8; n -= 8, to += 8, from += 8) std::memcpy(to, from, 32);
  if (n >= 4) {
    std::memcpy(to, from, 16);
    to += 4, from += 4, n -= 4;
  }
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}
void zeroShort(float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = 0;
}

/// The row of one run for one tap.
void fillRun(float* to, const Run& run, const ConvShape& s, const float* channel, const int64_t (&tap)[3]) {
  const int64_t d = run.at[0] + tap[0] * s.dilation[0], h = run.at[1] + tap[1] * s.dilation[1];
  const int64_t w = run.at[2] + tap[2] * s.dilation[2];
  if (d < 0 || d >= s.in[0] || h < 0 || h >= s.in[1]) return zeroShort(to, run.length);
  const float* row = channel + (d * s.in[1] + h) * s.in[2];
  if (s.stride[2] == 1) {
    if (w >= 0 && w + run.length <= s.in[2]) return copyShort(to, row + w, run.length);
    const int64_t low = std::clamp<int64_t>(-w, 0, run.length), high = std::clamp<int64_t>(s.in[2] - w, low, run.length);
    zeroShort(to, low);
    if (high > low) copyShort(to + low, row + w + low, high - low);
    return zeroShort(to + high, run.length - high);
  }
  for (int64_t i = 0; i < run.length; ++i) {
    const int64_t at = w + i * s.stride[2];
    to[i] = at >= 0 && at < s.in[2] ? row[at] : 0;
  }
}

}  // namespace

Im2col::Im2col(const ConvShape& shape, const float* x)
    : shape_(shape), x_(x), inPlane_(shape.inPlane()), outPlane_(shape.outPlane()),
      imageStride_(shape.inChannels * shape.inPlane()) {
  if (shape.pointwise()) {  // one row per image: runs are as long as they can be
    shape_.in[2] = shape_.out[2] = inPlane_;
    shape_.in[0] = shape_.in[1] = shape_.out[0] = shape_.out[1] = 1;
  }
}

void Im2col::packPositions(float* panels, int64_t width, int64_t first, int64_t count, int64_t depthBegin,
                           int64_t depth) const {
  const ConvShape& s = shape_;
  const int64_t taps = s.taps();
  for (int64_t column = 0; column < count; column += width, panels += width * depth) {
    const int64_t columns = std::min(width, count - column);
    Run runs[kWidest];
    int runCount = 0;
    for (int64_t j = 0; j < columns;) {
      const int64_t at = first + column + j, image = at / outPlane_, o = at - image * outPlane_;
      const int64_t od = o / (s.out[1] * s.out[2]), oh = o / s.out[2] % s.out[1], ow = o % s.out[2];
      const int64_t length = std::min(columns - j, s.out[2] - ow);
      runs[runCount++] = {j, length, x_ + image * imageStride_,
                          {od * s.stride[0] - s.pad[0], oh * s.stride[1] - s.pad[1], ow * s.stride[2] - s.pad[2]}};
      j += length;
    }
    int64_t channel = depthBegin / taps, t = depthBegin % taps;
    int64_t tap[3] = {t / (s.kernel[1] * s.kernel[2]), t / s.kernel[2] % s.kernel[1], t % s.kernel[2]};
    float* line = panels;
    for (int64_t p = 0; p < depth; ++p, line += width) {
      for (int r = 0; r < runCount; ++r)
        fillRun(line + runs[r].begin, runs[r], s, runs[r].image + channel * inPlane_, tap);
      zeroShort(line + columns, width - columns);
      if (++tap[2] < s.kernel[2]) continue;
      tap[2] = 0;
      if (++tap[1] < s.kernel[1]) continue;
      tap[1] = 0;
      if (++tap[0] < s.kernel[0]) continue;
      tap[0] = 0;
      ++channel;
    }
  }
}

void Im2col::packTaps(float* panels, int64_t width, int64_t first, int64_t count, int64_t depthBegin,
                      int64_t depth) const {
  const ConvShape& s = shape_;
  const int64_t taps = s.taps();
  for (int64_t line = 0; line < count; line += width, panels += width * depth) {
    const int64_t lines = std::min(width, count - line);
    for (int64_t i = 0; i < lines; ++i) {
      const int64_t channel = (first + line + i) / taps, t = (first + line + i) % taps;
      const int64_t tap[3] = {t / (s.kernel[1] * s.kernel[2]), t / s.kernel[2] % s.kernel[1], t % s.kernel[2]};
      float* to = panels + i;
      for (int64_t p = 0; p < depth;) {
        const int64_t at = depthBegin + p, image = at / outPlane_, o = at - image * outPlane_;
        const int64_t od = o / (s.out[1] * s.out[2]), oh = o / s.out[2] % s.out[1], ow = o % s.out[2];
        const int64_t length = std::min(depth - p, s.out[2] - ow);
        const int64_t d = od * s.stride[0] - s.pad[0] + tap[0] * s.dilation[0];
        const int64_t h = oh * s.stride[1] - s.pad[1] + tap[1] * s.dilation[1];
        const int64_t w = ow * s.stride[2] - s.pad[2] + tap[2] * s.dilation[2];
        const bool inside = d >= 0 && d < s.in[0] && h >= 0 && h < s.in[1];
        const float* row = inside ? x_ + image * imageStride_ + channel * inPlane_ + (d * s.in[1] + h) * s.in[2] : nullptr;
        for (int64_t q = 0; q < length; ++q, to += width) {
          const int64_t from = w + q * s.stride[2];
          *to = inside && from >= 0 && from < s.in[2] ? row[from] : 0;
        }
        p += length;
      }
    }
    for (int64_t i = lines; i < width; ++i)
      for (int64_t p = 0; p < depth; ++p) panels[p * width + i] = 0;
  }
}

}  // namespace ascribe::cpu
