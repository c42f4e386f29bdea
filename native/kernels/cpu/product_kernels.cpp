#include <array>

#include "graph/op.h"
#include "kernels/cpu/gemm.h"
#include "kernels/kernel.h"

namespace ascribe::cpu {
namespace {

/// matMul on the packed product. A weight that is known at compile time is packed once.
class MatMulKernel final : public Kernel {
 public:
  explicit MatMulKernel(const NodeSignature& s) {
    Shape a = s.inputs[0].shape, b = s.inputs[1].shape;
    const bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
    if (vectorA) a = Shape{1, a[0]};
    if (vectorB) b = Shape{b[0], 1};
    const bool ta = s.node.attributes.integer("transposeA") && !vectorA, tb = s.node.attributes.integer("transposeB") && !vectorB;
    shape_ = {ta ? a.at(-1) : a.at(-2), tb ? b.at(-2) : b.at(-1), ta ? a.at(-2) : a.at(-1)};
    a_ = {nullptr, a.at(-1), ta, DType::F32};
    b_ = {nullptr, b.at(-1), tb, DType::F32};
    Shape batchA(a.dims().first(static_cast<size_t>(a.rank() - 2))), batchB(b.dims().first(static_cast<size_t>(b.rank() - 2)));
    // One matrix on the right: all rows on the left make one product.
    if (batchB.count() == 1 && !ta) {
      shape_.m *= batchA.count();
      batchA = Shape{};
      batchB = Shape{};
    }
    const Shape batch = broadcast(batchA, batchB);
    count_ = batch.count();
    offsetA_ = offsets(batchA, batch, a.at(-1) * a.at(-2));
    offsetB_ = offsets(batchB, batch, b.at(-1) * b.at(-2));
    if (count_ == 1 && s.constants[1] && s.constants[1]->data()) {
      MatrixSource weights = b_;
      weights.data = s.constants[1]->data();
      packed_ = PackedMatrix(*isa_.gemm, Side::B, weights, shape_.n, shape_.k);
      hasPacked_ = true;
    }
  }

  void run(const KernelArguments& k) const override {
    const float *a = k.inputs[0].as<float>(), *b = k.inputs[1].as<float>();
    float* c = k.outputs[0].as<float>();
    if (shape_.m == 0 || shape_.n == 0) return;
    GemmOptions options;
    if (count_ == 1) {
      MatrixSource left = a_, right = b_;
      left.data = a, right.data = b;
      if (hasPacked_) options.packedB = &packed_;
      gemm(isa_, shape_, left, right, c, shape_.n, options, k.scratch);
      return;
    }
    gemmBatched(isa_, count_, shape_, a_, b_, shape_.n,
                [&](int64_t i) { return GemmItem{a + offsetA_[static_cast<size_t>(i)], b + offsetB_[static_cast<size_t>(i)], c + i * shape_.m * shape_.n}; },
                options, k.scratch);
  }
  size_t scratchBytes() const override { return gemmScratch(isa_, shape_, kMostThreads); }
  size_t packedBytes() const override { return hasPacked_ ? packed_.bytes() : 0; }
  bool ownsOperand(size_t i) const override { return i == 1 && hasPacked_; }
  double flops() const override { return 2.0 * static_cast<double>(count_) * static_cast<double>(shape_.m) * static_cast<double>(shape_.n) * static_cast<double>(shape_.k); }
  std::string_view name() const override { return hasPacked_ ? "cpu-matMul-packed" : "cpu-matMul"; }

 private:
  // Scratch is sized before the lane is known; a wider lane than this splits its work into as many parts.
  static constexpr int kMostThreads = 64;

  static std::vector<int64_t> offsets(const Shape& operand, const Shape& batch, int64_t matrix) {
    std::vector<int64_t> out(static_cast<size_t>(batch.count()));
    for (size_t i = 0; i < out.size(); ++i) {
      int64_t rest = static_cast<int64_t>(i), offset = 0, stride = 1;
      for (int axis = batch.rank(); axis-- > 0;) {
        const int own = axis - batch.rank() + operand.rank();
        const int64_t at = rest % batch[axis];
        rest /= batch[axis];
        if (own < 0) continue;
        if (operand[own] != 1) offset += at * stride;
        stride *= operand[own];
      }
      out[i] = offset * matrix;
    }
    return out;
  }

  const IsaKernels& isa_ = kernels();
  GemmShape shape_;
  MatrixSource a_, b_;
  int64_t count_ = 1;
  std::vector<int64_t> offsetA_, offsetB_;
  PackedMatrix packed_;
  bool hasPacked_ = false;
};

std::unique_ptr<Kernel> matMul(const NodeSignature& s) {
  if (s.inputs[0].dtype != DType::F32 || s.inputs[1].dtype != DType::F32) return nullptr;
  const int64_t inner = s.inputs[0].shape.rank() ? s.inputs[0].shape.count() : 0;
  if (inner == 0 || s.inputs[1].shape.count() == 0) return nullptr;  // empty sums: the reference fills zeros
  return std::make_unique<MatMulKernel>(s);
}

const RegisterKernel registered({.op = "matMul", .backend = "cpu", .make = matMul});

}  // namespace
}  // namespace ascribe::cpu
