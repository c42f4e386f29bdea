#include <algorithm>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/im2col.h"
#include "kernels/cpu/over_slots.h"

namespace ascribe::cpu {
namespace {

GemmShape product(const ConvShape& s) { return {s.outPerGroup(), s.depth(), s.batch * s.outPlane()}; }

/// Rows are output channels, depth runs over the positions of all images.
void packGradient(const GemmKernels& kernels, const ConvShape& s, const float* g, float* panels, int64_t first,
                  int64_t count, int64_t depthBegin, int64_t depth) {
  const int64_t plane = s.outPlane(), width = kernels.rowTile;
  for (int64_t line = 0; line < count; line += width, panels += width * depth)
    for (int64_t p = 0; p < depth;) {
      const int64_t image = (depthBegin + p) / plane, at = depthBegin + p - image * plane;
      const int64_t length = std::min(depth - p, plane - at);
      kernels.packA[0].lines(panels + p * width, g + (image * s.outChannels + first + line) * plane + at, plane,
                             std::min(width, count - line), length);
      p += length;
    }
}

void oneGroup(const IsaKernels& isa, const ConvShape& s, int64_t group, const float* x, const float* g, float* dw,
              int threads, std::byte* scratch) {
  const GemmKernels& kernels = *isa.gemm;
  const float* gradient = g + group * s.outPerGroup() * s.outPlane();
  const Im2col patches(s, x + group * s.inPerGroup() * s.inPlane());
  const auto rows = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
    packGradient(kernels, s, gradient, panels, first, count, depthBegin, depth);
  };
  const auto columns = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
    patches.packTaps(panels, kernels.columnTile, first, count, depthBegin, depth);
  };
  const PanelPacker packA(rows), packB(columns);
  gemmCore(kernels, product(s), Factor(packA), Factor(packB),
           {.data = dw + group * s.outPerGroup() * s.depth(), .rowStride = s.depth()}, 1, 0, {}, threads, scratch);
}

}  // namespace

size_t convWeightGradientScratch(const IsaKernels& isa, const ConvShape& s, int threads) {
  return gemmScratchBytes(*isa.gemm, product(s), threads, false, false);
}

void convWeightGradient(const IsaKernels& isa, const ConvShape& s, const float* x, const float* g, float* dw,
                        int threads, std::byte* scratch) {
  if (threads > 1 && s.group >= threads) {
    overSlots(s.group, threads, gemmScratchBytes(*isa.gemm, product(s), 1, false, false), scratch,
              [&](int64_t i, std::byte* room) { oneGroup(isa, s, i, x, g, dw, 1, room); });
  } else {
    for (int64_t i = 0; i < s.group; ++i) oneGroup(isa, s, i, x, g, dw, threads, scratch);
  }
}

}  // namespace ascribe::cpu
