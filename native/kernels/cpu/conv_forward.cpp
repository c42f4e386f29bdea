#include <algorithm>
#include <cstring>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/im2col.h"
#include "kernels/cpu/over_slots.h"

namespace ascribe::cpu {
namespace {

GemmShape product(const ConvShape& s) { return {s.outPerGroup(), s.batch * s.outPlane(), s.depth()}; }

void oneGroup(const IsaKernels& isa, const ConvShape& s, int64_t group, const float* x, const float* w,
              const PackedConvWeights* packed, float* y, const ConvEpilogue& epilogue, int threads,
              std::byte* scratch) {
  const GemmKernels& kernels = packed ? packed->front().kernels() : *isa.gemm;
  const int64_t firstOut = group * s.outPerGroup(), depth = s.depth();
  // Of packed weights no source is kept.
  const MatrixSource weights{packed ? nullptr : w + firstOut * depth, depth, false, DType::F32};
  const Im2col patches(s, x + group * s.inPerGroup() * s.inPlane());
  const auto packWeights = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t blockDepth) {
    packPanels(kernels, Side::A, weights, panels, first, count, depthBegin, blockDepth);
  };
  const auto packPatches = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t blockDepth) {
    packThroughF32(kernels, Side::B, panels, count, blockDepth, [&](float* wide, int64_t from, int64_t lines) {
      patches.packPositions(wide, kernels.columnTile, first + from, lines, depthBegin, blockDepth);
    });
  };
  const PanelPacker packA(packWeights), packB(packPatches);
  const OutputMatrix out{y + firstOut * s.outPlane(), s.outPlane(), s.outPlane(), s.outChannels * s.outPlane()};
  const Epilogue finish{.rowBias = epilogue.bias ? epilogue.bias + firstOut : nullptr,
                        .clip = epilogue.clip, .low = epilogue.low, .high = epilogue.high};
  gemmCore(kernels, product(s), packed ? Factor((*packed)[static_cast<size_t>(group)]) : Factor(packA), Factor(packB),
           out, 1, epilogue.residual ? 1.0f : 0.0f, finish, threads, scratch);
}

/// Groups are dealt to threads where there are enough of them, else each group's product is shared.
bool splitsGroups(const ConvShape& s, int threads) { return threads > 1 && s.group >= threads; }

}  // namespace

PackedConvWeights packConvForward(const GemmKernels& kernels, const ConvShape& s, const float* w) {
  PackedConvWeights packed;
  for (int64_t g = 0; g < s.group; ++g)
    packed.emplace_back(kernels, Side::A, MatrixSource{w + g * s.outPerGroup() * s.depth(), s.depth(), false, DType::F32},
                        s.outPerGroup(), s.depth());
  return packed;
}

size_t convForwardScratch(const IsaKernels& isa, const ConvShape& s, int threads, bool packed) {
  return gemmScratchBytes(*isa.gemm, product(s), threads, packed, false);
}

void convForward(const IsaKernels& isa, const ConvShape& s, const float* x, const float* w,
                 const PackedConvWeights* packed, float* y, const ConvEpilogue& epilogue, int threads,
                 std::byte* scratch) {
  if (epilogue.residual && epilogue.residual != y) {
    const int64_t count = s.batch * s.outChannels * s.outPlane();
    parallelFor(count, 1 << 16, [&](int64_t begin, int64_t end) {
      std::memcpy(y + begin, epilogue.residual + begin, static_cast<size_t>(end - begin) * sizeof(float));
    });
  }
  if (splitsGroups(s, threads)) {
    const GemmKernels& kernels = packed ? packed->front().kernels() : *isa.gemm;
    overSlots(s.group, threads, gemmScratchBytes(kernels, product(s), 1, packed != nullptr, false), scratch,
              [&](int64_t g, std::byte* room) { oneGroup(isa, s, g, x, w, packed, y, epilogue, 1, room); });
    return;
  }
  for (int64_t g = 0; g < s.group; ++g) oneGroup(isa, s, g, x, w, packed, y, epilogue, threads, scratch);
}

}  // namespace ascribe::cpu
