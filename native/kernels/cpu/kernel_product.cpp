#include <array>
#include <memory>
#include <optional>
#include <string>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"
#include "kernels/cpu/product_weights.h"
#include "kernels/cpu/strides.h"

namespace ascribe::cpu {
namespace {

/// matMul with numpy's promotion and broadcasting of leading axes; storedMatMul with weights in their storage type,
/// which are widened as they are packed or read, so that every plan reads the one copy that there is. In bf16 weights are
/// packed once, for any number of rows. fusedMatMul has its bias, residual and activation on runs of rows that have just been
/// made and lie in a cache.
class Product final : public CpuKernel {
 public:
  explicit Product(const NodeSignature& s) : CpuKernel("cpu-matmul", s.node) {
    Shape a = s.inputs[0].shape, b = s.inputs[1].shape;
    const bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
    if (vectorA) a = Shape{1, a[0]};
    if (vectorB) b = Shape{b[0], 1};
    transposeA_ = s.node.attributes.integer("transposeA") && !vectorA;
    transposeB_ = s.node.attributes.integer("transposeB") && !vectorB;
    shape_.m = transposeA_ ? a.at(-1) : a.at(-2);
    shape_.k = transposeA_ ? a.at(-2) : a.at(-1);
    shape_.n = transposeB_ ? b.at(-2) : b.at(-1);
    const Shape batchA(a.dims().first(static_cast<size_t>(a.rank() - 2))), batchB(b.dims().first(static_cast<size_t>(b.rank() - 2)));
    batch_ = broadcast(batchA, batchB);
    count_ = batch_.count();
    if (batchB.count() == 1 && batchA.count() == count_ && !transposeA_) {
      // One right-hand side for all: a single tall product.
      shape_.m *= count_;
      count_ = 1;
    }
    if (count_ != 1) {
      strides_ = {broadcastStrides(batchA, batch_), broadcastStrides(batchB, batch_)};
    }
    weights_ = ProductWeights(s, 1, b, transposeB_, shape_.m, *isa().gemm);
    scratch_ = gemmScratch(isa(), shape_, mostThreads());
    if (s.node.op->name == "fusedMatMul") activation_ = activationOf(s.node.attributes.text("activation"));
  }
  void run(const KernelArguments& k) const override {
    const MatrixSource a{k.inputs[0].data, transposeA_ ? shape_.m : shape_.k, transposeA_, DType::F32};
    const MatrixSource b = weights_.at(k.inputs[1]);
    GemmOptions options;
    options.packedB = weights_.packed.get();
    float* c = k.outputs[0].as<float>();
    const float *bias = k.has(2) ? k.inputs[2].as<float>() : nullptr, *residual = k.has(3) ? k.inputs[3].as<float>() : nullptr;
    const auto finishRun = [&](float* run, int64_t count) {
      const MathKernels& math = *kernels().math;
      const int64_t at = run - c;
      // Of a single column a run is many rows.
      if (bias) math.binary(Binary::Add, shape_.n == 1 ? Steps::First : Steps::Both, run, bias + at % shape_.n, run, count, 0, 0);
      if (residual) math.binary(Binary::Add, Steps::Both, run, residual + at, run, count, 0, 0);
      if (activation_) math.unary(*activation_, run, run, count, 0, 0);
    };
    const FunctionRef<void(float*, int64_t)> finish(finishRun);
    if (bias || residual || activation_) options.epilogue.finish = &finish;
    if (count_ == 1) return gemm(isa(), shape_, a, b, c, shape_.n, options, threads(), k.scratch);
    const auto item = [&](int64_t index) {
      int64_t offsets[2] = {0, 0}, rest = index;
      for (int axis = batch_.rank(); axis-- > 0;) {
        const int64_t at = rest % batch_[axis];
        rest /= batch_[axis];
        for (int i = 0; i < 2; ++i) offsets[i] += at * strides_[static_cast<size_t>(i)][static_cast<size_t>(axis)];
      }
      return GemmItem{k.inputs[0].as<float>() + offsets[0] * shape_.m * shape_.k,
                      k.inputs[1].as<float>() + offsets[1] * shape_.k * shape_.n, c + index * shape_.m * shape_.n};
    };
    gemmBatched(isa(), count_, shape_, a, b, shape_.n, item, options, threads(), k.scratch);
  }
  size_t scratchBytes() const override { return scratch_; }
  size_t packedBytes() const override { return weights_.packed ? weights_.packed->bytes() : 0; }
  bool ownsOperand(size_t i) const override { return i == 1 && weights_.packed != nullptr; }
  double flops() const override {
    return 2.0 * static_cast<double>(count_ * shape_.m) * static_cast<double>(shape_.n) * static_cast<double>(shape_.k);
  }

 private:
  static std::optional<Unary> activationOf(const std::string& name) {
    if (name == "relu") return Unary::Relu;
    if (name == "silu") return Unary::Silu;
    if (name == "gelu") return Unary::Gelu;
    if (name == "geluTanh") return Unary::GeluTanh;
    return std::nullopt;
  }

  GemmShape shape_;
  std::optional<Unary> activation_;
  bool transposeA_ = false, transposeB_ = false;
  Shape batch_;
  int64_t count_ = 1;
  std::array<Strides, 2> strides_{};
  ProductWeights weights_;
  size_t scratch_ = 0;
};

std::unique_ptr<Kernel> make(const NodeSignature& s) {
  if (!takesF32(s) || !isPackable(s.inputs[1].dtype)) return nullptr;
  return std::make_unique<Product>(s);
}
const RegisterKernel registered[] = {RegisterKernel({.op = "matMul", .backend = "cpu", .make = make}), RegisterKernel({.op = "fusedMatMul", .backend = "cpu", .make = make}),
                                     RegisterKernel({.op = "storedMatMul", .backend = "cpu", .make = make})};

}  // namespace
}  // namespace ascribe::cpu
