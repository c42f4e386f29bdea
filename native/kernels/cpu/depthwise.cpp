#include <algorithm>
#include <vector>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/phase_planes.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

constexpr int64_t kMostTaps = 256, kMostClasses = 64;

/// Scratch of one thread: a laid-out plane and a flat run.
struct Room {
  size_t plane, flat;
  Room(int64_t planeCount, int64_t flatCount)
      : plane(alignedBytes(static_cast<size_t>(planeCount) * 4)), flat(alignedBytes(static_cast<size_t>(flatCount) * 4)) {}
  size_t bytes() const { return plane + flat; }
};

}  // namespace

bool takesDepthwise(const ConvShape& s) {
  return s.depthwise() && s.taps() <= kMostTaps && s.stride[0] * s.stride[1] * s.stride[2] <= kMostClasses;
}

size_t depthwiseScratch(const ConvShape& s, int threads) {
  const PhasePlanes phases(s);
  const ClassPlanes classes(s);
  return std::max(Room(phases.size(), phases.flatCount()).bytes(), Room(classes.size(), classes.flatCount()).bytes()) *
         static_cast<size_t>(threads);
}

void depthwiseForward(const IsaKernels& isa, const ConvShape& s, const float* x, const float* w, float* y,
                      const ConvEpilogue& e, int threads, std::byte* scratch) {
  const PhasePlanes planes(s);
  const Room room(planes.size(), planes.flatCount());
  const int64_t taps = s.taps(), inPlane = s.inPlane(), outPlane = s.outPlane();
  overSlots(s.batch * s.inChannels, threads, room.bytes(), scratch, [&](int64_t i, std::byte* own) {
    auto *plane = reinterpret_cast<float*>(own), *flat = reinterpret_cast<float*>(own + room.plane);
    const int64_t channel = i % s.inChannels;
    planes.separate(x + i * inPlane, plane, 0);
    const float* sources[kMostTaps];
    for (int64_t t = 0; t < taps; ++t) sources[t] = plane + planes.offsets()[static_cast<size_t>(t)];
    const bool clipNow = e.clip && !e.residual;
    isa.rows->taps(taps, sources, w + channel * taps, e.bias ? e.bias[channel] : 0, flat, planes.flatCount(), clipNow,
                   e.low, e.high);
    float* out = y + i * outPlane;
    if (!e.residual) return planes.compact(flat, out);
    const float* residual = e.residual + i * outPlane;
    for (int64_t d = 0; d < s.out[0]; ++d)
      for (int64_t h = 0; h < s.out[1]; ++h, out += s.out[2], residual += s.out[2]) {
        const float* from = flat + planes.row(d, h);
        for (int64_t j = 0; j < s.out[2]; ++j) {
          float value = from[j] + residual[j];
          if (e.clip) {
            value = e.low > value ? e.low : value;
            value = e.high < value ? e.high : value;
          }
          out[j] = value;
        }
      }
  });
}

void depthwiseDataGradient(const IsaKernels& isa, const ConvShape& s, const float* g, const float* w, float* dx,
                           const float* bias, int threads, std::byte* scratch) {
  const ClassPlanes planes(s);
  const Room room(planes.size(), planes.flatCount());
  const int64_t taps = s.taps(), inPlane = s.inPlane(), outPlane = s.outPlane();
  overSlots(s.batch * s.inChannels, threads, room.bytes(), scratch, [&](int64_t i, std::byte* own) {
    auto *plane = reinterpret_cast<float*>(own), *flat = reinterpret_cast<float*>(own + room.plane);
    const int64_t channel = i % s.inChannels;
    planes.layOut(g + i * outPlane, plane);
    for (const ClassPlanes::Class& c : planes.classes()) {
      const float* sources[kMostTaps];
      float weights[kMostTaps];
      for (size_t t = 0; t < c.taps.size(); ++t) {
        sources[t] = plane + c.offsets[t];
        weights[t] = w[channel * taps + c.taps[t]];
      }
      isa.rows->taps(static_cast<int64_t>(c.taps.size()), sources, weights, bias ? bias[channel] : 0, flat,
                     planes.flatCount(), false, 0, 0);
      planes.place(c, flat, dx + i * inPlane);
    }
  });
}

void depthwiseWeightGradient(const IsaKernels& isa, const ConvShape& s, const float* x, const float* g, float* dw,
                             int threads, std::byte* scratch) {
  const PhasePlanes planes(s);
  const Room room(planes.size(), planes.flatCount());
  const int64_t taps = s.taps();
  overSlots(s.inChannels, threads, room.bytes(), scratch, [&](int64_t channel, std::byte* own) {
    auto *plane = reinterpret_cast<float*>(own), *flat = reinterpret_cast<float*>(own + room.plane);
    double sums[kMostTaps] = {};
    for (int64_t n = 0; n < s.batch; ++n) {
      const int64_t i = n * s.inChannels + channel;
      planes.separate(x + i * s.inPlane(), plane, 0);
      planes.spread(g + i * s.outPlane(), flat);
      for (int64_t t = 0; t < taps; ++t)
        sums[t] += isa.rows->dot(flat, plane + planes.offsets()[static_cast<size_t>(t)], planes.flatCount());
    }
    for (int64_t t = 0; t < taps; ++t) dw[channel * taps + t] = static_cast<float>(sums[t]);
  });
}

}  // namespace ascribe::cpu
