#pragma once
#include <cstdint>

namespace ascribe::cpu {

/// Operations on contiguous rows for one instruction set, on one thread. Sums are carried in double.
struct RowKernels {
  double (*sum)(const float* x, int64_t n);
  double (*dot)(const float* x, const float* y, int64_t n);
  /// Sum of (x - centre)^2.
  double (*squares)(const float* x, int64_t n, float centre);
  /// NaN if any element is.
  float (*max)(const float* x, int64_t n);
  float (*min)(const float* x, int64_t n);
  /// total[i] = sum over s < size of x[s * stride + i], times y[s * stride + i] unless y is null.
  void (*columnSums)(const float* x, const float* y, int64_t size, int64_t stride, int64_t n, double* total);
  /// total[i] += x[i]
  void (*addTo)(double* total, const float* x, int64_t n);
  /// y += a * x
  void (*axpy)(float a, const float* x, float* y, int64_t n);
  /// y = ((x - centre) * scale) * gain[i] + offset[i]; gain and offset may be null
  void (*normalise)(const float* x, float* y, int64_t n, float centre, float scale, const float* gain,
                    const float* offset);
  void (*softmax)(const float* x, float* y, int64_t n);
  /// A piece of a softmax of scale x, scale > 0, that is divided by its sum in the end. With `top` the greatest element so far, e^(scale (x - top)) in
  /// place, rounded to bf16 and in half the room where products are of bf16, and zeros behind up to `width`. Brings top
  /// (-inf before the first piece) and total up to date; what pieces before gave is to be multiplied by what it returns.
  float (*softmaxPiece)(float* x, int64_t n, int64_t width, float scale, float* top, double* total);
  /// e^(x - the greatest) in place, and zeros behind up to `width`; gives their sum. Room as for softmaxPiece.
  double (*exponentials)(float* x, int64_t n, int64_t width);
  /// Of one row of attention: with p of exponentials and `scale` one over their sum, p *= scale and s = p * (s - <p, s>).
  void (*attentionGrad)(float* p, float* s, int64_t n, float scale);
  void (*logSoftmax)(const float* x, float* y, int64_t n);
  /// The same along an axis whose elements are `stride` apart, for `columns` neighbours at once.
  void (*softmaxColumns)(const float* x, float* y, int64_t length, int64_t stride, int64_t columns, bool logarithm);
  /// out = y * (g - <g, y>), and for the logarithm out = g - e^y * sum(g)
  void (*softmaxGrad)(const float* g, const float* y, float* out, int64_t n, bool logarithm);
  /// Sums of g * gain and of g * gain * (x - centre); gain may be null.
  void (*gradientMoments)(const float* g, const float* x, const float* gain, int64_t n, float centre, double* first,
                          double* second);
  /// out = scale * (g * gain) - a - b * (x - centre)
  void (*normGrad)(const float* g, const float* x, const float* gain, float* out, int64_t n, float centre, float scale,
                   float a, float b);
  /// y[i] = clip(start + sum over t of weights[t] * sources[t][i]): a window's row, every tap a shifted row.
  void (*taps)(int64_t count, const float* const* sources, const float* weights, float start, float* y, int64_t n,
               bool clip, float low, float high);
  /// Where x[i] > best[i], or is the first NaN: best[i] = x[i], label[i] = tap. label may be null.
  void (*maxTap)(const float* x, float* best, int32_t* label, int64_t n, int32_t tap);
};

}  // namespace ascribe::cpu
