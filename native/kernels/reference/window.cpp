#include "graph/op.h"
#include "kernels/reference/register.h"
#include "kernels/reference/types.h"
#include "kernels/window_places.h"

namespace ascribe::reference {
namespace {

void window(const KernelArguments& k, const Node& node) {
  const TensorRef &pictures = k.inputs[0], &places = k.inputs[1], &out = k.outputs[0];
  const int64_t height = pictures.shape[1], width = pictures.shape[2], channels = pictures.shape[3];
  const Shape patch = k.has(2) ? k.inputs[2].shape : Shape{0, 0, 0, 0};
  checkWindowPlaces(pictures, places);
  onNumeric(out.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T fill = narrow<T>(Wide<T>(node.attributes.real("fill")));
    T* to = out.as<T>();
    for (int64_t n = 0; n < out.shape[0]; ++n) {
      const WindowPlaces at(places, n);
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t y = 0; y < out.shape[2]; ++y)
          for (int64_t x = 0; x < out.shape[3]; ++x, ++to) {
            const int64_t py = y - at.patchTop, px = x - at.patchLeft, v = y + at.top, u = x + at.left;
            if (py >= 0 && py < patch[2] && px >= 0 && px < patch[3]) *to = k.inputs[2].as<T>()[((n * channels + c) * patch[2] + py) * patch[3] + px];
            else if (v >= 0 && v < height && u >= 0 && u < width) *to = pictures.as<T>()[((at.picture * height + v) * width + u) * channels + c];
            else *to = fill;
          }
    }
  });
}

const Registered kernels[] = {{"window", window, numeric}};

}  // namespace
}  // namespace ascribe::reference
