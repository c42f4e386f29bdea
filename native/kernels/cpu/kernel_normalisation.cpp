#include <cmath>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/row_kernels.h"

namespace ascribe::cpu {
namespace {

/// Rows of `size` elements that are normalised together.
struct Rows {
  int64_t count, size;
};
Rows rowsOf(const Shape& x, const Node& node) {
  const int axis = normaliseAxis(node.attributes.integer("axis"), x.rank());
  return {x.count(0, axis), x.count(axis, x.rank())};
}
int64_t rowGrain(int64_t size) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(size, 1)); }

struct Moments {
  float centre = 0, scale = 1;
};
Moments momentsOf(const RowKernels& rows, const float* x, int64_t n, bool centred, double epsilon) {
  Moments out;
  if (centred) out.centre = static_cast<float>(rows.sum(x, n) / static_cast<double>(n));
  out.scale = static_cast<float>(1 / std::sqrt(rows.squares(x, n, out.centre) / static_cast<double>(n) + epsilon));
  return out;
}

/// layerNorm (centred) and rmsNorm: x, scale?, bias?
template <bool Centred>
void rowNorm(const KernelArguments& k, const Node& node) {
  const Rows r = rowsOf(k.inputs[0].shape, node);
  const double epsilon = node.attributes.real("epsilon");
  const float* x = k.inputs[0].as<float>();
  const float* gain = k.has(1) ? k.inputs[1].as<float>() : nullptr;
  const float* bias = k.has(2) ? k.inputs[2].as<float>() : nullptr;
  float* y = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  if (r.size == 0) return;
  parallelFor(r.count, rowGrain(r.size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Moments m = momentsOf(rows, x + i * r.size, r.size, Centred, epsilon);
      rows.normalise(x + i * r.size, y + i * r.size, r.size, m.centre, m.scale, gain, bias);
    }
  });
}

/// (g [K, ...x], x, scale?). With u = (x - mean) r: dx = r (g s - mean(g s) - u mean(g s u)).
template <bool Centred>
void rowNormGrad(const KernelArguments& k, const Node& node) {
  const Rows r = rowsOf(k.inputs[1].shape, node);
  const double epsilon = node.attributes.real("epsilon");
  const float *g = k.inputs[0].as<float>(), *x = k.inputs[1].as<float>();
  const float* gain = k.has(2) ? k.inputs[2].as<float>() : nullptr;
  float* out = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  const int64_t cotangents = k.inputs[0].shape[0], count = r.count * r.size;
  if (r.size == 0) return;
  parallelFor(r.count, rowGrain(r.size * (cotangents + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* row = x + i * r.size;
      const Moments m = momentsOf(rows, row, r.size, Centred, epsilon);
      const double n = static_cast<double>(r.size), scale = static_cast<double>(m.scale);
      for (int64_t c = 0; c < cotangents; ++c) {
        const float* from = g + c * count + i * r.size;
        double first = 0, second = 0;
        rows.gradientMoments(from, row, gain, r.size, m.centre, &first, &second);
        rows.normGrad(from, row, gain, out + c * count + i * r.size, r.size, m.centre, m.scale,
                      Centred ? static_cast<float>(scale * first / n) : 0.0f, static_cast<float>(scale * scale * scale * second / n));
      }
    }
  });
}
/// Scale and bias of the whole row; broadcast ones are left to the reference.
bool takesRows(const NodeSignature& s, size_t x, size_t last) {
  if (!takesF32(s)) return false;
  const int64_t size = rowsOf(s.inputs[x].shape, s.node).size;
  for (size_t i = x + 1; i <= last; ++i)
    if (s.has(i) && s.inputs[i].shape.count() != size) return false;
  return true;
}
bool takesForward(const NodeSignature& s) { return takesRows(s, 0, 2); }
bool takesGradient(const NodeSignature& s) { return takesRows(s, 1, 2); }

/// x, scale, bias, mean, variance: one factor and one shift a channel.
void batchNorm(const KernelArguments& k, const Node& node) {
  const Shape& shape = k.inputs[0].shape;
  const double epsilon = node.attributes.real("epsilon");
  const int64_t channels = shape[1], plane = shape.count(2, shape.rank());
  const float* x = k.inputs[0].as<float>();
  float* y = k.outputs[0].as<float>();
  const RowKernels& rows = *kernels().rows;
  parallelFor(shape[0] * channels, rowGrain(plane), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t c = i % channels;
      const double factor = static_cast<double>(k.inputs[1].as<float>()[c]) / std::sqrt(static_cast<double>(k.inputs[4].as<float>()[c]) + epsilon);
      const float bias = k.inputs[2].as<float>()[c];
      rows.normalise(x + i * plane, y + i * plane, plane, k.inputs[3].as<float>()[c], static_cast<float>(factor), nullptr, nullptr);
      for (int64_t p = 0; p < plane; ++p) y[i * plane + p] += bias;
    }
  });
}

const RegisterKernelFunction registered[] = {
    {"layerNorm", "cpu", rowNorm<true>, takesForward},       {"rmsNorm", "cpu", rowNorm<false>, takesForward},
    {"layerNormGrad", "cpu", rowNormGrad<true>, takesGradient}, {"rmsNormGrad", "cpu", rowNormGrad<false>, takesGradient},
    {"batchNorm", "cpu", batchNorm, takesF32},
};

}  // namespace
}  // namespace ascribe::cpu
