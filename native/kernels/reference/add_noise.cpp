#include <bit>

#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "runtime/random.h"

namespace ascribe::reference {
namespace {

void addNoise(const KernelArguments& k, const Node& node) {
  const int64_t count = k.inputs[1].shape[0], width = k.inputs[1].shape[1], elements = k.inputs[0].shape.count();
  const auto* rows = k.inputs[1].as<int64_t>();
  const int64_t column = node.attributes.integer("column");
  const auto first = static_cast<uint64_t>(node.attributes.integer("first"));
  onFloating(k.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    T* to = k.outputs[0].as<T>();
    for (int64_t n = 0; n < count; ++n) {
      const auto key = static_cast<uint64_t>(rows[n * width]), place = static_cast<uint64_t>(rows[n * width + 1]);
      const auto deviation = std::bit_cast<double>(rows[n * width + column]);
      // The key as it is: an item below 2^32 mixes nothing into it.
      const RandomStream stream(key, place >> 32, static_cast<uint32_t>(place));
      for (int64_t i = 0; i < elements; ++i, ++to) {
        const W x = W(k.inputs[0].as<T>()[i]);
        *to = deviation == 0 ? narrow<T>(x) : narrow<T>(x + W(deviation * stream.normal(first + static_cast<uint64_t>(i))));
      }
    }
  });
}

const Registered kernels[] = {{"addNoise", addNoise, floating}};

}  // namespace
}  // namespace ascribe::reference
