#include <algorithm>
#include <cstring>

#include "kernels/cpu/conv.h"
#include "kernels/cpu/im2col.h"
#include "kernels/cpu/over_slots.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

/// With unit strides the gradient is itself a convolution, of g with the mirrored kernel.
ConvShape mirrored(const ConvShape& s) {
  ConvShape m = s;
  std::swap(m.inChannels, m.outChannels);
  for (int a = 0; a < 3; ++a) {
    m.in[a] = s.out[a];
    m.out[a] = s.in[a];
    m.pad[a] = (s.kernel[a] - 1) * s.dilation[a] - s.pad[a];
  }
  return m;
}

/// Row i, column (o, tap) of the mirrored weights of one group: w[o][i][last - tap].
void packMirrored(const ConvShape& s, const float* w, float* panels, int64_t width, int64_t first, int64_t count,
                  int64_t depthBegin, int64_t depth) {
  const int64_t taps = s.taps(), in = s.inPerGroup();
  for (int64_t line = 0; line < count; line += width, panels += width * depth) {
    const int64_t lines = std::min(width, count - line);
    for (int64_t p = 0; p < depth; ++p) {
      const int64_t o = (depthBegin + p) / taps, t = (depthBegin + p) % taps;
      const float* from = w + (o * in + first + line) * taps + taps - 1 - t;
      float* to = panels + p * width;
      for (int64_t i = 0; i < lines; ++i) to[i] = from[i * taps];
      for (int64_t i = lines; i < width; ++i) to[i] = 0;
    }
  }
}

GemmShape mirroredProduct(const ConvShape& s) {
  return {s.inPerGroup(), s.batch * s.inPlane(), s.outPerGroup() * s.taps()};
}

void oneMirroredGroup(const IsaKernels& isa, const ConvShape& s, int64_t group, const float* g, const float* w,
                      const PackedConvWeights* packed, float* dx, const float* bias, int threads,
                      std::byte* scratch) {
  const GemmKernels& kernels = packed ? packed->front().kernels() : *isa.gemm;
  const ConvShape m = mirrored(s);
  // Of packed weights no source is kept.
  const float* weights = packed ? nullptr : w + group * s.outPerGroup() * s.depth();
  const Im2col patches(m, g + group * s.outPerGroup() * s.outPlane());
  const auto packWeights = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
    packThroughF32(kernels, Side::A, panels, count, depth, [&](float* wide, int64_t from, int64_t lines) {
      packMirrored(s, weights, wide, kernels.rowTile, first + from, lines, depthBegin, depth);
    });
  };
  const auto packPatches = [&](float* panels, int64_t first, int64_t count, int64_t depthBegin, int64_t depth) {
    packThroughF32(kernels, Side::B, panels, count, depth, [&](float* wide, int64_t from, int64_t lines) {
      patches.packPositions(wide, kernels.columnTile, first + from, lines, depthBegin, depth);
    });
  };
  const PanelPacker packA(packWeights), packB(packPatches);
  const int64_t firstIn = group * s.inPerGroup();
  const OutputMatrix out{dx + firstIn * s.inPlane(), s.inPlane(), s.inPlane(), s.inChannels * s.inPlane()};
  gemmCore(kernels, mirroredProduct(s), packed ? Factor((*packed)[static_cast<size_t>(group)]) : Factor(packA),
           Factor(packB), out, 1, 0, {.rowBias = bias ? bias + firstIn : nullptr}, threads, scratch);
}

// Other strides: the product of the transposed weights with g, a block of positions at a time, added to where each
// row came from. Nothing is wasted on the zeros that a mirrored convolution would read between strides.

constexpr int64_t kColumnBytes = int64_t{8} << 20;

/// Positions per block: whole rows of the output.
int64_t blockRows(const ConvShape& s) {
  const int64_t rowBytes = s.depth() * s.out[2] * 4;
  return std::clamp<int64_t>(kColumnBytes / std::max<int64_t>(1, rowBytes), 1, s.out[0] * s.out[1]);
}
GemmShape columnProduct(const ConvShape& s) { return {s.depth(), blockRows(s) * s.out[2], s.outPerGroup()}; }

/// Adds rows [firstRow, firstRow + rows) of the patch matrix of one channel to that channel.
void addPatches(const RowKernels& kernels, const ConvShape& s, const float* columns, int64_t columnStride,
                int64_t firstRow, int64_t rows, float* channel) {
  for (int64_t t = 0; t < s.taps(); ++t, columns += columnStride) {
    const int64_t tap[3] = {t / (s.kernel[1] * s.kernel[2]), t / s.kernel[2] % s.kernel[1], t % s.kernel[2]};
    const int64_t start = tap[2] * s.dilation[2] - s.pad[2], step = s.stride[2];
    const int64_t low = start < 0 ? std::min((-start + step - 1) / step, s.out[2]) : 0;
    const int64_t high = std::clamp<int64_t>(s.in[2] > start ? (s.in[2] - 1 - start) / step + 1 : 0, low, s.out[2]);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = firstRow + r;
      const int64_t d = row / s.out[1] * s.stride[0] - s.pad[0] + tap[0] * s.dilation[0];
      const int64_t h = row % s.out[1] * s.stride[1] - s.pad[1] + tap[1] * s.dilation[1];
      if (d < 0 || d >= s.in[0] || h < 0 || h >= s.in[1]) continue;
      float* to = channel + (d * s.in[1] + h) * s.in[2] + start;
      const float* from = columns + r * s.out[2];
      if (step == 1) kernels.axpy(1, from + low, to + low, high - low);
      else
        for (int64_t i = low; i < high; ++i) to[i * step] += from[i];
    }
  }
}

void stridedGroup(const IsaKernels& isa, const ConvShape& s, int64_t group, const float* g, const float* w,
                  const PackedConvWeights* packed, float* dx, int threads, std::byte* scratch) {
  const GemmKernels& kernels = packed ? packed->front().kernels() : *isa.gemm;
  const int64_t depth = s.depth(), rowsAtOnce = blockRows(s), rowCount = s.out[0] * s.out[1];
  const MatrixSource weights{packed ? nullptr : w + group * s.outPerGroup() * depth, depth, true, DType::F32};
  auto* columns = reinterpret_cast<float*>(scratch);
  std::byte* room = scratch + alignedBytes(static_cast<size_t>(depth * rowsAtOnce * s.out[2]) * 4);
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t row = 0; row < rowCount; row += rowsAtOnce) {
      const int64_t rows = std::min(rowsAtOnce, rowCount - row), width = rows * s.out[2];
      const MatrixSource gradient{g + (n * s.outChannels + group * s.outPerGroup()) * s.outPlane() + row * s.out[2],
                                  s.outPlane(), false, DType::F32};
      const auto packWeights = [&](float* panels, int64_t first, int64_t count, int64_t begin, int64_t blockDepth) {
        packPanels(kernels, Side::A, weights, panels, first, count, begin, blockDepth);
      };
      const auto packGradient = [&](float* panels, int64_t first, int64_t count, int64_t begin, int64_t blockDepth) {
        packPanels(kernels, Side::B, gradient, panels, first, count, begin, blockDepth);
      };
      const PanelPacker packA(packWeights), packB(packGradient);
      gemmCore(kernels, {depth, width, s.outPerGroup()},
               packed ? Factor((*packed)[static_cast<size_t>(group)]) : Factor(packA), Factor(packB),
               {.data = columns, .rowStride = width}, 1, 0, {}, threads, room);
      const auto add = [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c)
          addPatches(*isa.rows, s, columns + c * s.taps() * width, width, row, rows,
                     dx + (n * s.inChannels + group * s.inPerGroup() + c) * s.inPlane());
      };
      if (threads > 1) parallelFor(s.inPerGroup(), std::max<int64_t>(1, 16384 / std::max<int64_t>(1, s.taps() * width)), add);
      else add(0, s.inPerGroup());
    }
}

size_t stridedScratch(const GemmKernels& kernels, const ConvShape& s, int threads, bool packed) {
  return alignedBytes(static_cast<size_t>(s.depth() * blockRows(s) * s.out[2]) * 4) +
         gemmScratchBytes(kernels, columnProduct(s), threads, packed, false);
}

}  // namespace

PackedConvWeights packConvDataGradient(const GemmKernels& kernels, const ConvShape& s, const float* w) {
  PackedConvWeights packed;
  for (int64_t group = 0; group < s.group; ++group) {
    const float* weights = w + group * s.outPerGroup() * s.depth();
    if (!s.unitStride()) {
      packed.emplace_back(kernels, Side::A, MatrixSource{weights, s.depth(), true, DType::F32}, s.depth(), s.outPerGroup());
      continue;
    }
    const GemmShape shape = mirroredProduct(s);
    PackedMatrix& matrix = packed.emplace_back(kernels, Side::A, shape.m, shape.k);
    for (int64_t begin = 0; begin < shape.k; begin += kernels.depthBlock) {
      const int64_t depth = std::min<int64_t>(kernels.depthBlock, shape.k - begin);
      packThroughF32(kernels, Side::A, matrix.panel(0, begin), shape.m, depth, [&](float* wide, int64_t from, int64_t lines) {
        packMirrored(s, weights, wide, kernels.rowTile, from, lines, begin, depth);
      });
    }
  }
  return packed;
}

size_t convDataGradientScratch(const IsaKernels& isa, const ConvShape& s, int threads, bool packed) {
  if (s.unitStride()) return gemmScratchBytes(*isa.gemm, mirroredProduct(s), threads, packed, false);
  return s.group >= threads && threads > 1 ? alignedBytes(stridedScratch(*isa.gemm, s, 1, packed)) * static_cast<size_t>(threads)
                                           : stridedScratch(*isa.gemm, s, threads, packed);
}

void convDataGradient(const IsaKernels& isa, const ConvShape& s, const float* g, const float* w,
                      const PackedConvWeights* packed, float* dx, const float* bias, int threads,
                      std::byte* scratch) {
  const GemmKernels& kernels = packed ? packed->front().kernels() : *isa.gemm;
  const bool split = threads > 1 && s.group >= threads;
  if (s.unitStride()) {
    if (split) {
      overSlots(s.group, threads, gemmScratchBytes(kernels, mirroredProduct(s), 1, packed != nullptr, false), scratch,
                [&](int64_t i, std::byte* room) { oneMirroredGroup(isa, s, i, g, w, packed, dx, bias, 1, room); });
    } else {
      for (int64_t i = 0; i < s.group; ++i) oneMirroredGroup(isa, s, i, g, w, packed, dx, bias, threads, scratch);
    }
    return;
  }
  parallelFor(s.batch * s.inChannels, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, s.inPlane())), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::fill_n(dx + i * s.inPlane(), s.inPlane(), bias ? bias[i % s.inChannels] : 0.0f);
  });
  if (split) {
    overSlots(s.group, threads, alignedBytes(stridedScratch(kernels, s, 1, packed != nullptr)), scratch,
              [&](int64_t i, std::byte* room) { stridedGroup(isa, s, i, g, w, packed, dx, 1, room); });
  } else {
    for (int64_t i = 0; i < s.group; ++i) stridedGroup(isa, s, i, g, w, packed, dx, threads, scratch);
  }
}

}  // namespace ascribe::cpu
