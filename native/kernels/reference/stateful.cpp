#include <algorithm>
#include <cstring>

#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/reference/walk.h"
#include "runtime/random.h"

namespace ascribe::reference {
namespace {

/// One stream an example, so that an example draws the same numbers whatever batch it is in.
template <bool Normal>
void random(const KernelArguments& k, const Node& node) {
  const Shape& shape = k.outputs[0].shape;
  const int64_t items = shape.rank() ? shape[0] : 1, each = items ? shape.count() / items : 0;
  const auto seed = static_cast<uint64_t>(node.attributes.integer("seed"));
  const auto stream = static_cast<uint32_t>(node.attributes.integer("stream"));
  onFloating(k.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t item = 0; item < items; ++item) {
      const RandomStream source(seed, static_cast<uint64_t>(item), stream);
      for (int64_t i = 0; i < each; ++i) {
        const auto element = static_cast<uint64_t>(i);
        k.outputs[0].as<T>()[item * each + i] = narrow<T>(Wide<T>(Normal ? source.normal(element) : static_cast<double>(source.uniform(element))));
      }
    }
  });
}

/// (state, x): the output shares the state's bytes in a plan; on plain tensors it is a copy.
void assignState(const KernelArguments& k, const Node&) {
  const TensorRef& y = k.outputs[0];
  if (y.count()) std::memmove(y.data, k.inputs[1].data, static_cast<size_t>(y.count()) * sizeOf(y.dtype));
}
void appendState(const KernelArguments& k, const Node& node) {
  const TensorRef &state = k.inputs[0], &x = k.inputs[1], &y = k.outputs[0];
  const int64_t position = k.inputs[2].dtype == DType::I64 ? *k.inputs[2].as<int64_t>() : *k.inputs[2].as<int32_t>();
  const AxisView whole = aroundAxis(y.shape, node.attributes.integer("axis")), part = aroundAxis(x.shape, node.attributes.integer("axis"));
  if (position < 0 || position > whole.size - part.size)
    throw Error("INPUT_VALUE", "position " + std::to_string(position) + " leaves no room for " + std::to_string(part.size) + " in a state of " + std::to_string(whole.size));
  const size_t element = sizeOf(y.dtype);
  if (y.data != state.data) std::memcpy(y.data, state.data, static_cast<size_t>(y.count()) * element);
  for (int64_t o = 0; o < whole.outer; ++o)
    std::memcpy(y.as<std::byte>() + static_cast<size_t>((o * whole.size + position) * whole.inner) * element,
                x.as<std::byte>() + static_cast<size_t>(o * part.size * part.inner) * element, static_cast<size_t>(part.size * part.inner) * element);
}

const Registered kernels[] = {
    {"randomUniform", random<false>, floating},
    {"randomNormal", random<true>, floating},
    {"assignState", assignState},
    {"appendState", appendState},
};

}  // namespace
}  // namespace ascribe::reference
