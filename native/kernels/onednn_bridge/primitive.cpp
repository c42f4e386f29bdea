#include "kernels/onednn_bridge/primitive.h"

#include <algorithm>
#include <limits>

#include "runtime/error.h"
#include "runtime/onednn_library.h"
#include "runtime/parallel.h"

namespace ascribe::onednn_bridge {

namespace {

AscribePrimitive* create(const AscribeOperation& operation, const AscribePrimitive* like, int width) {
  AscribePrimitive* made = nullptr;
  char message[256] = "";
  // FAILED is an operation that no implementation can describe (odd paddings, say): another backend's all the same.
  onednn()->create(&operation, like, width, &made, message, sizeof message);
  return made;
}

double countOf(const AscribeTensor& tensor) {
  double count = 1;
  for (int i = 0; i < tensor.rank; ++i) count *= static_cast<double>(tensor.dims[i]);
  return count;
}

void check(int status, const char* what) {
  if (status != ASCRIBE_OK) throw Error("INTERNAL", std::string("oneDNN could not ") + what);
}

}  // namespace

std::unique_ptr<Primitive> Primitive::make(const AscribeOperation& operation, double flops) {
  // Up to twenty microseconds on one thread, less than it takes to wake another.
  constexpr double fewFlops = 2e6, fewElements = 1 << 16;
  const int most = flops < fewFlops && countOf(operation.first) + countOf(operation.result) < fewElements ? 1 : std::numeric_limits<int>::max();
  return makeFor(operation, most);
}

std::unique_ptr<Primitive> Primitive::makeFor(const AscribeOperation& operation, int mostThreads) {
  if (onednn() == nullptr) return nullptr;
  const int width = std::min(parallelWidth(), mostThreads);
  AscribePrimitive* made = create(operation, nullptr, width);
  return made == nullptr ? nullptr : std::unique_ptr<Primitive>(new Primitive(operation, mostThreads, {width, made}));
}

Primitive::Primitive(const AscribeOperation& operation, int most, Variant first) : operation_(operation), most_(most) {
  variants_.push_back(std::make_unique<Variant>(first));
}

Primitive::~Primitive() {
  for (const auto& variant : variants_)
    if (variant == variants_.front() || variant->primitive != variants_.front()->primitive) onednn()->destroy(variant->primitive);
}

size_t Primitive::bytes(int operand) const { return onednn()->bytes(variants_.front()->primitive, operand); }

const char* Primitive::implementation() const { return onednn()->implementation(variants_.front()->primitive); }

bool Primitive::sharesFormat(const Primitive& other, int operand) const {
  return onednn()->same_format(variants_.front()->primitive, other.variants_.front()->primitive, operand) != 0;
}

void Primitive::pack(int operand, const void* plain, void* packed) const {
  check(onednn()->pack(variants_.front()->primitive, operand, plain, packed, parallelWidth()), "pack an operand");
}
void Primitive::unpack(int operand, const void* packed, void* plain) const {
  check(onednn()->unpack(variants_.front()->primitive, operand, packed, plain, parallelWidth()), "unpack a result");
}

const Primitive::Variant& Primitive::variantFor(int width) const {
  const std::lock_guard lock(guard_);
  for (const auto& variant : variants_)
    if (variant->width == width) return *variant;
  AscribePrimitive* made = create(operation_, variants_.front()->primitive, width);
  // Where the library has the packed format at one width only, that primitive runs with the threads it was made for.
  if (made == nullptr) made = variants_.front()->primitive;
  variants_.push_back(std::make_unique<Variant>(Variant{width, made}));
  return *variants_.back();
}

void Primitive::execute(Buffers& buffers) const {
  const Variant& variant = variantFor(std::min(parallelWidth(), most_));
  AlignedBytes more;
  const size_t scratch = onednn()->bytes(variant.primitive, ASCRIBE_SCRATCH);
  if (scratch > scratchBytes()) {
    more = AlignedBytes(scratch);
    buffers[ASCRIBE_SCRATCH] = more.get();
  }
  check(onednn()->execute(variant.primitive, buffers.by, variant.width), "run a primitive");
}

AscribeTensor plainTensor(const Shape& shape) {
  AscribeTensor out{};
  out.rank = shape.rank();
  out.format = ASCRIBE_FORMAT_STRIDED;
  int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    out.dims[i] = shape[i];
    out.strides[i] = stride;
    stride *= shape[i];
  }
  return out;
}

AscribeTensor dataTensor(const ValueType& type, int spatialAxes) {
  const int channels = type.shape.rank() - spatialAxes - 1;
  Shape folded{type.shape.count(0, channels)};
  for (int i = channels; i < type.shape.rank(); ++i) folded.push(type.shape[i]);
  AscribeTensor out = plainTensor(folded);
  switch (type.layout) {
    case Layout::Plain: break;
    case Layout::ChannelsLast: out.format = ASCRIBE_FORMAT_CHANNELS_LAST; break;
    case Layout::Blocked8: out.format = ASCRIBE_FORMAT_BLOCKED8; break;
    case Layout::Blocked16: out.format = ASCRIBE_FORMAT_BLOCKED16; break;
  }
  return out;
}

}  // namespace ascribe::onednn_bridge
