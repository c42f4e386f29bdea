#include <cstring>

#include "graph/layout.h"
#include "kernels/kernel.h"

namespace ascribe::reference {
namespace {

/// Where element (n, c, i) lies: n counts all axes before the channels, i those behind.
struct Place {
  explicit Place(const TensorRef& t) : block(blockOf(t.layout)), last(t.layout == Layout::ChannelsLast) {}
  int64_t at(int64_t n, int64_t c, int64_t i, int64_t channels, int64_t plane) const {
    if (last) return (n * plane + i) * channels + c;
    if (block == 0) return (n * channels + c) * plane + i;
    return ((n * ((channels + block - 1) / block) + c / block) * plane + i) * block + c % block;
  }
  int block;
  bool last;
};

void reorder(const KernelArguments& k, const Node& node) {
  const TensorRef &from = k.inputs[0], &to = k.outputs[0];
  const int c = static_cast<int>(node.attributes.integer("channelAxis"));
  const int64_t batch = to.shape.count(0, c), channels = to.shape[c], plane = to.shape.count(c + 1, to.shape.rank());
  const Place source(from), target(to);
  const size_t element = sizeOf(to.dtype);
  std::memset(to.data, 0, static_cast<size_t>(storedShape({to.dtype, to.shape, to.layout, c}).count()) * element);
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t ch = 0; ch < channels; ++ch)
      for (int64_t i = 0; i < plane; ++i)
        std::memcpy(to.as<std::byte>() + static_cast<size_t>(target.at(n, ch, i, channels, plane)) * element,
                    from.as<std::byte>() + static_cast<size_t>(source.at(n, ch, i, channels, plane)) * element, element);
}

bool always(const NodeSignature&) { return true; }

const RegisterKernel registered(
    {.op = "reorder", .backend = "reference", .anyLayout = true, .function = reorder, .accepts = always});

}  // namespace
}  // namespace ascribe::reference
