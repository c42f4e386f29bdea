#include "kernels/onednn_bridge/winograd.h"

#include <atomic>
#include <cstring>
#include <vector>

#include "kernels/onednn_bridge/bridge_kernel.h"
#include "kernels/onednn_bridge/packed_weights.h"
#include "runtime/error.h"
#include "runtime/parallel.h"

namespace ascribe::onednn_bridge {
namespace {

/// Below this a node's time is not in its multiplications; and planes of fewer pixels are few of the large tiles.
constexpr double kFewestFlops = 2e6;
/// Transformed weights are up to four times as large, and what the transformed image takes is not small either.
constexpr int64_t kLargePlane = 512;
constexpr size_t kMostWeightBytes = 4 << 20, kMostScratchBytes = 64 << 20;

int64_t weightCount(const AscribeTensor& w) { return w.dims[0] * w.dims[1] * 9; }

bool fits(const AscribeOperation& o) {
  const AscribeTensor& w = o.second;
  return w.rank == 4 && w.dims[2] == 3 && w.dims[3] == 3 && o.groups == 1 && o.strides[0] == 1 && o.strides[1] == 1 &&
         o.dilations[0] == 1 && o.dilations[1] == 1 && o.first.format == ASCRIBE_FORMAT_BLOCKED16 && o.result.format == ASCRIBE_FORMAT_BLOCKED16 &&
         std::min(w.dims[0], w.dims[1]) >= 16;
}

/// Floats from one image to the next.
int64_t imageStride(const AscribeTensor& blocked) { return (blocked.dims[1] + 15) / 16 * 16 * blocked.dims[2] * blocked.dims[3]; }

/// One image. The residual is added to what lies in the result: the algorithm knows no other.
AscribeOperation ofOneImage(AscribeOperation o) {
  o.winograd = 1;
  o.first.dims[0] = o.result.dims[0] = 1;
  o.residual.rank = 0;
  for (int i = 0; i < o.post_op_count; ++i)
    if (o.post_ops[i].kind == ASCRIBE_POST_ADD) o.post_ops[i].kind = ASCRIBE_POST_SUM;
  return o;
}

/// What is to be packed, and what it is made of.
struct Weights {
  const HostTensor& source;
  Turn turn;
  std::function<const void*()> plain;
};

/// Image after image, or each thread its own: the library chooses its tiles by the size of the batch, and values would
/// differ in their last bits with it, which is enough to move the gate of a ReLU.
class WinogradKernel final : public BridgeKernel {
 public:
  WinogradKernel(std::string_view what, std::unique_ptr<Primitive> made, const AscribeOperation& o, int slots, const Weights& weights, double flops)
      : BridgeKernel(what, std::move(made), flops), images_(o.first.dims[0]), firstStride_(imageStride(o.first)), resultStride_(imageStride(o.result)),
        slots_(slots), slotBytes_(roundedUp(primitive().scratchBytes())), packed_(packedOnce(sharedPrimitive(), weights.source, weights.turn, weights.plain)) {}
  size_t packedBytes() const override { return packed_->bytes(); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  size_t scratchBytes() const override { return static_cast<size_t>(slots_) * slotBytes_; }

  void run(const KernelArguments& k) const override {
    if (slots_ == 1) {
      for (int64_t image = 0; image < images_; ++image) runImage(k, image, k.scratch);
      return;
    }
    // Nothing may be thrown across threads.
    std::atomic<bool> failed{false};
    parallelFor(slots_, 1, [&](int64_t begin, int64_t end) {
      try {
        for (int64_t slot = begin; slot < end; ++slot)
          for (int64_t image = images_ * slot / slots_; image < images_ * (slot + 1) / slots_; ++image)
            runImage(k, image, k.scratch + static_cast<size_t>(slot) * slotBytes_);
      } catch (const std::exception&) {
        failed = true;
      }
    });
    if (failed) throw Error("INTERNAL", "oneDNN could not run a primitive");
  }

 private:
  void runImage(const KernelArguments& k, int64_t image, std::byte* scratch) const {
    Buffers buffers;
    buffers[ASCRIBE_FIRST] = k.inputs[0].as<float>() + image * firstStride_;
    buffers[ASCRIBE_SECOND] = packed_->get();
    // A data gradient has `like` in the place of a bias, without data.
    if (k.has(2)) buffers[ASCRIBE_BIAS] = k.inputs[2].data;
    float* result = k.outputs[0].as<float>() + image * resultStride_;
    if (k.has(3)) {
      const float* residual = k.inputs[3].as<float>() + image * resultStride_;
      if (residual != result) std::memcpy(result, residual, static_cast<size_t>(resultStride_) * sizeof *result);
    }
    buffers[ASCRIBE_RESULT] = result;
    buffers[ASCRIBE_SCRATCH] = scratch;
    primitive().execute(buffers);
  }

  int64_t images_, firstStride_, resultStride_;
  int slots_;
  size_t slotBytes_;
  std::shared_ptr<const PackedWeights> packed_;
};

/// What computes one image, and for how many images at a time; none where it does not fit or pay.
struct Choice {
  std::unique_ptr<Primitive> made;
  int slots = 1;
};

Choice choose(const AscribeOperation& direct, double flops, Tiles tiles) {
  const int64_t images = direct.first.dims[0];
  if (tiles == Tiles::Large && direct.result.dims[2] * direct.result.dims[3] < kLargePlane) return {};
  if (!fits(direct) || images == 0 || flops < kFewestFlops * static_cast<double>(images)) return {};
  const AscribeOperation one = ofOneImage(direct);
  const auto paid = [&](const std::unique_ptr<Primitive>& made, int slots) {
    if (!made || (tiles == Tiles::Large && std::string_view(made->implementation()).find("4x3") == std::string_view::npos)) return false;
    if (made->scratchBytes() * static_cast<size_t>(slots) > kMostScratchBytes) return false;
    return made->bytes(ASCRIBE_SECOND) <= std::max(kMostWeightBytes, 2 * sizeof(float) * static_cast<size_t>(weightCount(direct.second)));
  };
  // An image a thread where there are enough of them.
  const int width = parallelWidth();
  if (width > 1 && (images % width == 0 || images >= 4 * width)) {
    auto made = Primitive::makeFor(one, 1);
    if (paid(made, width)) return {std::move(made), width};
  }
  auto made = Primitive::make(one);
  if (!paid(made, 1)) return {};
  return {std::move(made), 1};
}

std::unique_ptr<Kernel> makeWith(std::string_view what, const AscribeOperation& direct, const Weights& weights, double flops, Tiles tiles) {
  Choice choice = choose(direct, flops, tiles);
  return choice.made ? std::make_unique<WinogradKernel>(what, std::move(choice.made), direct, choice.slots, weights, flops) : nullptr;
}

bool turns(const AscribeOperation& data) { return fits(data) && data.pad_begin[0] <= 2 && data.pad_begin[1] <= 2 && data.pad_end[0] <= 2 && data.pad_end[1] <= 2; }

/// The gradient as the convolution that it is.
AscribeOperation turnedOf(const AscribeOperation& data) {
  AscribeOperation turned = data;
  turned.kind = ASCRIBE_CONVOLUTION;
  std::swap(turned.second.dims[0], turned.second.dims[1]);
  turned.second.strides[0] = turned.second.dims[1] * 9;
  for (int axis = 0; axis < 2; ++axis) {
    turned.pad_begin[axis] = 2 - data.pad_begin[axis];
    turned.pad_end[axis] = 2 - data.pad_end[axis];
  }
  return turned;
}

}  // namespace

bool takesWinograd(const AscribeOperation& direct, double flops, Tiles tiles) { return choose(direct, flops, tiles).made != nullptr; }
bool takesWinogradGradient(const AscribeOperation& data, double flops, Tiles tiles) { return turns(data) && choose(turnedOf(data), flops, tiles).made != nullptr; }

std::unique_ptr<Kernel> makeWinograd(std::string_view what, const AscribeOperation& direct, const HostTensor* weights, double flops, Tiles tiles) {
  return weights == nullptr ? nullptr : makeWith(what, direct, {*weights, Turn::AsTheyAre, [&] { return weights->data(); }}, flops, tiles);
}

std::unique_ptr<Kernel> makeWinogradGradient(const AscribeOperation& data, const HostTensor* weights, double flops, Tiles tiles) {
  if (weights == nullptr || !turns(data)) return nullptr;
  const int64_t results = data.second.dims[0], channels = data.second.dims[1];
  std::vector<float> flipped;
  const auto flip = [&]() -> const void* {
    flipped.resize(static_cast<size_t>(weightCount(data.second)));
    for (int64_t m = 0; m < results; ++m)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t tap = 0; tap < 9; ++tap)
          std::memcpy(&flipped[static_cast<size_t>((c * results + m) * 9 + 8 - tap)],
                      static_cast<const char*>(weights->data()) + ((m * channels + c) * 9 + tap) * static_cast<int64_t>(sizeof(float)), sizeof(float));
    return flipped.data();
  };
  return makeWith("conv-data-gradient", turnedOf(data), {*weights, Turn::ForGradient, flip}, flops, tiles);
}

}  // namespace ascribe::onednn_bridge
