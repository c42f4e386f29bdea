#pragma once
#include "kernels/cuda/convolution_sides.h"

// Convolutions of each channel by itself: bound by memory, and by index arithmetic where there is much of it.
namespace ascribe::cuda {

inline bool isDepthwise(const Window& w) { return w.groups > 1 && w.groups == w.inChannels && w.groups == w.outChannels; }
/// Square kernels of 3 or 5 that are walked with one stride in flat planes: what nets of this kind are made of.
inline bool isPlainDepthwise(const Window& w) {
  return isDepthwise(w) && w.in[0] == 1 && w.out[0] == 1 && w.kernel[0] == 1 && w.stride[0] == 1 && w.pad[0] == 0 && w.kernel[1] == w.kernel[2] && (w.kernel[1] == 3 || w.kernel[1] == 5) &&
         w.dilation[1] == 1 && w.dilation[2] == 1 && w.stride[1] == w.stride[2] && w.stride[1] <= 2;
}

/// A plane with a kernel over it: what the data's gradient has in common with the convolution where the stride is 1.
struct DepthwisePlanes {
  const float *data, *weights;
  int rows, columns, resultRows, resultColumns, padRows, padColumns;
  bool flipped;
  int64_t planes;
};

/// A thread computes four results below each other, with the kernel and the rows under them read once.
template <int Kernel, int Stride>
int runDepthwiseRows(Stream& stream, const DepthwisePlanes& p, const MapResults& results) {
  constexpr int kResults = 4;
  const int strips = (p.resultRows + kResults - 1) / kResults;
  const FastDivision perColumn(p.resultColumns), perStrip(strips), perImage(results.channels);
  return overElements(stream, p.planes * strips * p.resultColumns, [=] __device__(int64_t index) {
    const auto i = static_cast<uint32_t>(index);
    const uint32_t above = perColumn.quotient(i), plane = perStrip.quotient(above);
    const int x = static_cast<int>(i - above * perColumn.divisor), y = static_cast<int>(above - plane * perStrip.divisor) * kResults;
    const int channel = static_cast<int>(plane - perImage.quotient(plane) * perImage.divisor);
    const float *from = p.data + static_cast<int64_t>(plane) * p.rows * p.columns, *taps = p.weights + channel * Kernel * Kernel;
    float w[Kernel * Kernel], sums[kResults] = {};
#pragma unroll
    for (int t = 0; t < Kernel * Kernel; ++t) w[t] = taps[p.flipped ? Kernel * Kernel - 1 - t : t];
    const int firstRow = y * Stride - p.padRows, firstColumn = x * Stride - p.padColumns;
#pragma unroll
    for (int r = 0; r < (kResults - 1) * Stride + Kernel; ++r) {
      if (static_cast<unsigned>(firstRow + r) >= static_cast<unsigned>(p.rows)) continue;
#pragma unroll
      for (int c = 0; c < Kernel; ++c) {
        if (static_cast<unsigned>(firstColumn + c) >= static_cast<unsigned>(p.columns)) continue;
        const float value = from[(firstRow + r) * p.columns + firstColumn + c];
#pragma unroll
        for (int s = 0; s < kResults; ++s)
          if (r - s * Stride >= 0 && r - s * Stride < Kernel) sums[s] += w[(r - s * Stride) * Kernel + c] * value;
      }
    }
    const int64_t at = static_cast<int64_t>(plane) * results.plane + y * p.resultColumns + x;
#pragma unroll
    for (int s = 0; s < kResults; ++s)
      if (y + s < p.resultRows) results.data[at + s * p.resultColumns] = results.finished(at + s * p.resultColumns, channel, sums[s]);
  });
}

/// With a stride of 2 an element of the data meets every other tap: which ones follows from its place alone.
template <int Kernel>
int runDepthwiseStrided(Stream& stream, const Window& w, const float* g, const float* weights, const MapResults& results) {
  const FastDivision perColumn(w.in[2]), perRow(w.in[1]), perImage(w.inChannels);
  const int rows = w.out[1], columns = w.out[2], padRows = w.pad[1], padColumns = w.pad[2];
  return overElements(stream, w.batch * w.inChannels * w.inPlane(), [=] __device__(int64_t index) {
    const auto i = static_cast<uint32_t>(index);
    const uint32_t above = perColumn.quotient(i), plane = perRow.quotient(above);
    const int x = static_cast<int>(i - above * perColumn.divisor) + padColumns, y = static_cast<int>(above - plane * perRow.divisor) + padRows;
    const int channel = static_cast<int>(plane - perImage.quotient(plane) * perImage.divisor);
    const float *from = g + static_cast<int64_t>(plane) * rows * columns, *taps = weights + channel * Kernel * Kernel;
    float sum = 0;
#pragma unroll
    for (int b = 0; b < Kernel; b += 2) {
      const int tapRow = b + (y & 1), row = (y - tapRow) >> 1;
      if (tapRow >= Kernel || static_cast<unsigned>(row) >= static_cast<unsigned>(rows)) continue;
#pragma unroll
      for (int c = 0; c < Kernel; c += 2) {
        const int tap = c + (x & 1), column = (x - tap) >> 1;
        if (tap < Kernel && static_cast<unsigned>(column) < static_cast<unsigned>(columns)) sum += taps[tapRow * Kernel + tap] * from[row * columns + column];
      }
    }
    results.data[index] = results.finished(index, channel, sum);
  });
}

inline int runDepthwise(Stream& stream, const Window& w, const float* x, const float* weights, const MapResults& results) {
  if (isPlainDepthwise(w)) {
    const DepthwisePlanes p{x, weights, w.in[1], w.in[2], w.out[1], w.out[2], w.pad[1], w.pad[2], false, w.batch * w.inChannels};
    if (w.kernel[1] == 3) return w.stride[1] == 1 ? runDepthwiseRows<3, 1>(stream, p, results) : runDepthwiseRows<3, 2>(stream, p, results);
    return w.stride[1] == 1 ? runDepthwiseRows<5, 1>(stream, p, results) : runDepthwiseRows<5, 2>(stream, p, results);
  }
  const int64_t outPlane = w.outPlane(), inPlane = w.inPlane();
  return overElements(stream, w.batch * w.outChannels * outPlane, [=] __device__(int64_t i) {
    const int64_t plane = i / outPlane, channel = plane % w.outChannels;
    const float *from = x + plane * inPlane, *taps = weights + channel * w.taps();
    float sum = 0;
    overTaps(w, Place(i % outPlane, w.out), [&](int tap, int64_t at) { sum += taps[tap] * from[at]; });
    results.data[i] = results.finished(i, channel, sum);
  });
}
/// Only where isPlainDepthwise holds.
inline int runDepthwiseData(Stream& stream, const Window& w, const float* g, const float* weights, const MapResults& results) {
  if (w.stride[1] == 2) return w.kernel[1] == 3 ? runDepthwiseStrided<3>(stream, w, g, weights, results) : runDepthwiseStrided<5>(stream, w, g, weights, results);
  const int behind = w.kernel[1] - 1;
  const DepthwisePlanes p{g, weights, w.out[1], w.out[2], w.in[1], w.in[2], behind - w.pad[1], behind - w.pad[2], true, w.batch * w.inChannels};
  return w.kernel[1] == 3 ? runDepthwiseRows<3, 1>(stream, p, results) : runDepthwiseRows<5, 1>(stream, p, results);
}

}  // namespace ascribe::cuda
