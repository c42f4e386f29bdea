#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"

namespace ascribe::reference {
namespace {

void rotary(const KernelArguments& k, const Node& node) {
  const Shape& out = k.outputs[0].shape;
  const int64_t heads = out[1], length = out[2], pairs = out[3] / 2;
  Shape table = out;
  table[3] = pairs;
  onFloating(k.inputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    walk<2>(table, {broadcastStrides(k.inputs[1].shape, table), broadcastStrides(k.inputs[2].shape, table)}, [&](int64_t i, const auto& at) {
      const int64_t pair = i % pairs, t = i / pairs % length, h = i / pairs / length % heads, n = i / pairs / length / heads;
      const int64_t to = i / pairs * 2 * pairs + pair;
      const int64_t from = node.attributes.integer("transposed") ? ((n * length + t) * heads + h) * 2 * pairs + pair : to;
      const W a(k.inputs[0].as<T>()[from]), b(k.inputs[0].as<T>()[from + pairs]), c(k.inputs[1].as<T>()[at[0]]), s(k.inputs[2].as<T>()[at[1]]);
      k.outputs[0].as<T>()[to] = narrow<T>(a * c - b * s);
      k.outputs[0].as<T>()[to + pairs] = narrow<T>(b * c + a * s);
    });
  });
}

const Registered kernel{"rotary", rotary, floating};

}  // namespace
}  // namespace ascribe::reference
