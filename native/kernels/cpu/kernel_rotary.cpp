#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {
namespace {

/// a cos - b sin and b cos + a sin of the halves of each head, every product rounded by itself, as by nodes of their own.
void turn(const float* __restrict x, const float* __restrict cosine, const float* __restrict sine, float* __restrict y, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float a = x[i], b = x[pairs + i], c = cosine[i], s = sine[i];
    y[i] = a * c - b * s;
    y[pairs + i] = b * c + a * s;
  }
}

void rotary(const KernelArguments& k, const Node& node) {
  const Shape& out = k.outputs[0].shape;
  const bool isTransposed = node.attributes.integer("transposed") != 0;
  const int64_t heads = out[1], length = out[2], size = out[3], pairs = size / 2;
  Shape table = out;
  table[3] = pairs;
  const Strides c = broadcastStrides(k.inputs[1].shape, table), s = broadcastStrides(k.inputs[2].shape, table);
  const auto place = [](const Strides& by, int64_t n, int64_t h, int64_t t) { return n * by[0] + h * by[1] + t * by[2]; };
  // In the order in which x lies.
  parallelFor(out[0] * length * heads, std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, size)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / (heads * length), h = isTransposed ? row % heads : row / length % heads, t = isTransposed ? row / heads % length : row % length;
      turn(k.inputs[0].as<float>() + row * size, k.inputs[1].as<float>() + place(c, n, h, t), k.inputs[2].as<float>() + place(s, n, h, t),
           k.outputs[0].as<float>() + ((n * heads + h) * length + t) * size, pairs);
    }
  });
}

const RegisterKernelFunction registered{"rotary", "cpu", rotary, takesF32};

}  // namespace
}  // namespace ascribe::cpu
