#include "kernels/onednn_bridge/similar_rows.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "kernels/cpu/blocked_conv.h"
#include "kernels/cpu/similar_rows_kernels.h"
#include "kernels/onednn_bridge/bridge_kernel.h"
#include "kernels/onednn_bridge/packed_weights.h"
#include "runtime/error.h"
#include "runtime/parallel.h"

namespace ascribe::onednn_bridge {
namespace {

using cpu::NumberChange;
using cpu::TapRange;

/// The pass mark-similar-rows has marked the node: examples may have most of their numbers in common with those before.
bool hasSimilarRows(const Node& node) { return node.attributes.has("similarRows"); }

/// A change costs about four times as much as its share of the whole convolution.
constexpr int64_t kFewest = 8;

/// By place of an axis: the results that read it.
std::vector<TapRange> rangesOf(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad) {
  std::vector<TapRange> ranges;
  for (int64_t place = 0; place < in; ++place) {
    const int64_t last = std::min(out - 1, (place + pad) / stride), least = place + pad - kernel + 1;
    const int64_t first = least <= 0 ? 0 : (least + stride - 1) / stride;
    ranges.push_back({static_cast<int32_t>(first), static_cast<int32_t>(std::max<int64_t>(0, last - first + 1)), static_cast<int32_t>(place + pad - first * stride)});
  }
  return ranges;
}

class SimilarRows final : public BridgeKernel {
 public:
  SimilarRows(std::unique_ptr<Primitive> ofOne, const cpu::SimilarRowsKernels& kernels, const NodeSignature& s, const AscribeOperation& o, const HostTensor& weights, double flops)
      : BridgeKernel("conv-of-similar-rows", std::move(ofOne), flops), kernels_(kernels), finish_(cpu::finishOf(s)), images_(o.first.dims[0]),
        packed_(packedOnce(sharedPrimitive(), weights, Turn::AsTheyAre, [&] { return weights.data(); })) {
    for (int axis = 0; axis < 2; ++axis) {
      geometry_.in[axis] = o.first.dims[axis + 2];
      geometry_.out[axis] = o.result.dims[axis + 2];
      geometry_.kernel[axis] = o.second.dims[axis + 2];
      geometry_.stride[axis] = o.strides[axis];
      ranges_[axis] = rangesOf(geometry_.in[axis], geometry_.out[axis], geometry_.kernel[axis], o.strides[axis], o.pad_begin[axis]);
    }
    geometry_.down = ranges_[0].data();
    geometry_.across = ranges_[1].data();
    const int64_t results = o.second.dims[0], channels = o.second.dims[1], taps = geometry_.kernel[0] * geometry_.kernel[1];
    geometry_.blocks = (results + kernels.lanes - 1) / kernels.lanes;
    numbers_ = channels * geometry_.in[0] * geometry_.in[1];
    sums_ = geometry_.blocks * geometry_.out[0] * geometry_.out[1] * kernels.lanes;
    weights_.resize(static_cast<size_t>(channels * taps * geometry_.blocks * kernels.lanes));
    for (int64_t m = 0; m < results; ++m)
      for (int64_t i = 0; i < channels * taps; ++i)
        std::memcpy(&weights_[static_cast<size_t>(i * geometry_.blocks * kernels.lanes + m)],
                    static_cast<const char*>(weights.data()) + (m * channels * taps + i) * static_cast<int64_t>(sizeof(float)), sizeof(float));
    slots_ = static_cast<int>(std::min<int64_t>(images_, parallelWidth()));
    sumBytes_ = roundedUp(static_cast<size_t>(sums_) * sizeof(float));
    changeBytes_ = roundedUp(static_cast<size_t>(numbers_ / kFewest) * sizeof(NumberChange));
    slotBytes_ = sumBytes_ + changeBytes_ + roundedUp(primitive().scratchBytes());
  }
  size_t packedBytes() const override { return packed_->bytes() + weights_.size() * sizeof(float); }
  bool ownsOperand(size_t i) const override { return i == 1; }
  size_t scratchBytes() const override { return static_cast<size_t>(slots_) * slotBytes_; }

  void run(const KernelArguments& k) const override {
    const int64_t slots = std::min(slots_, parallelWidth());
    // Nothing may be thrown across threads.
    std::atomic<bool> failed{false};
    parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
      try {
        for (int64_t slot = begin; slot < end; ++slot) runImages(k, images_ * slot / slots, images_ * (slot + 1) / slots, k.scratch + static_cast<size_t>(slot) * slotBytes_);
      } catch (const std::exception&) {
        failed = true;
      }
    });
    if (failed) throw Error("INTERNAL", "oneDNN could not run a primitive");
  }

 private:
  void runImages(const KernelArguments& k, int64_t begin, int64_t end, std::byte* scratch) const {
    auto* sums = reinterpret_cast<float*>(scratch);
    auto* changes = reinterpret_cast<NumberChange*>(scratch + sumBytes_);
    const float* x = k.inputs[0].as<float>() + begin * numbers_;
    float* y = k.outputs[0].as<float>() + begin * sums_;
    bool isKnown = false;
    float largest = 0;
    for (int64_t image = begin; image < end; ++image, x += numbers_, y += sums_) {
      const int64_t count = isKnown ? kernels_.findChanges(x - numbers_, x, numbers_, numbers_ / kFewest, changes, &largest) : -1;
      if (count >= 0) {
        kernels_.addChanges(geometry_, changes, count, weights_.data(), sums);
      } else {
        largest = 0;
        Buffers buffers;
        buffers[ASCRIBE_FIRST] = const_cast<float*>(x);
        buffers[ASCRIBE_SECOND] = packed_->get();
        if (k.has(2)) buffers[ASCRIBE_BIAS] = k.inputs[2].data;
        buffers[ASCRIBE_RESULT] = sums;
        buffers[ASCRIBE_SCRATCH] = scratch + sumBytes_ + changeBytes_;
        primitive().execute(buffers);
      }
      isKnown = kernels_.finishSums(finish_, sums, y, sums_);
    }
  }

  const cpu::SimilarRowsKernels& kernels_;
  cpu::Finish finish_;
  int64_t images_, numbers_ = 0, sums_ = 0;  // numbers of an image, sums of its result
  cpu::PlanesGeometry geometry_{};
  std::vector<TapRange> ranges_[2];
  std::vector<float> weights_;
  int slots_ = 1;
  size_t sumBytes_ = 0, changeBytes_ = 0, slotBytes_ = 0;
  std::shared_ptr<const PackedWeights> packed_;
};

}  // namespace

std::unique_ptr<Kernel> makeSimilarRows(const NodeSignature& s, const AscribeOperation& direct, const HostTensor* weights, double flops) {
  const cpu::SimilarRowsKernels* kernels = cpu::similarRowsKernels();
  if (!hasSimilarRows(s.node) || kernels == nullptr || weights == nullptr || s.has(3)) return nullptr;
  const AscribeOperation& o = direct;
  const bool isPlane = o.second.rank == 4 && o.groups == 1 && o.dilations[0] == 1 && o.dilations[1] == 1 && o.first.format == ASCRIBE_FORMAT_STRIDED &&
                       s.inputs[0].layout == Layout::Plain && o.result.format == ASCRIBE_FORMAT_BLOCKED16 && o.first.dims[0] > 1;
  // Cut pictures would have places before the first tap. oneDNN has had no convolution of them so far, and none comes here.
  if (o.pad_begin[0] < 0 || o.pad_begin[1] < 0) return nullptr;
  if (!isPlane || o.first.dims[1] * o.first.dims[2] * o.first.dims[3] >= INT32_MAX) return nullptr;
  AscribeOperation one = o;
  one.first.dims[0] = one.result.dims[0] = 1;
  one.post_op_count = 0;
  auto made = Primitive::makeFor(one, 1);
  return made ? std::make_unique<SimilarRows>(std::move(made), *kernels, s, o, *weights, flops) : nullptr;
}

}  // namespace ascribe::onednn_bridge
