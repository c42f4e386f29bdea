#include "kernels/reference/register.h"
#include "kernels/reference/types.h"

namespace ascribe::reference {
namespace {

void interpolate(const KernelArguments& k, const Node&) {
  const int64_t rows = k.inputs[2].shape[0], elements = k.inputs[0].shape.count();
  onFloating(k.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    T* to = k.outputs[0].as<T>();
    for (int64_t n = 0; n < rows; ++n) {
      const W p = W(k.inputs[2].as<T>()[n]);
      for (int64_t i = 0; i < elements; ++i, ++to) *to = narrow<T>((W(1) - p) * W(k.inputs[0].as<T>()[i]) + p * W(k.inputs[1].as<T>()[i]));
    }
  });
}

const Registered kernels[] = {{"interpolate", interpolate, floating}};

}  // namespace
}  // namespace ascribe::reference
