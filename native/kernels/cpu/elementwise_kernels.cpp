#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "graph/op.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/math_kernels.h"
#include "kernels/kernel.h"
#include "runtime/parallel.h"

namespace ascribe::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements a thread takes at least: below it, waking others costs more

bool allF32(const NodeSignature& s) {
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (s.has(i) && s.inputs[i].dtype != DType::F32) return false;
  return s.outputs[0].dtype == DType::F32;
}
bool sameLayouts(const NodeSignature& s) {
  for (size_t i = 0; i < s.inputs.size(); ++i)
    if (s.has(i) && s.inputs[i].layout != Layout::Plain) return false;
  return true;
}

struct Constants {
  float a = 0, b = 0;
};
float bounded(double value) {
  constexpr double most = std::numeric_limits<float>::max();
  return value >= most ? std::numeric_limits<float>::infinity() : value <= -most ? -std::numeric_limits<float>::infinity() : static_cast<float>(value);
}
Constants constantsOf(const Attributes& a) {
  Constants out;
  if (a.has("alpha")) out.a = static_cast<float>(a.real("alpha"));
  if (a.has("beta")) out.b = static_cast<float>(a.real("beta"));
  if (a.has("gamma")) out.b = static_cast<float>(a.real("gamma"));
  if (a.has("min")) out.a = bounded(a.real("min"));
  if (a.has("max")) out.b = bounded(a.real("max"));
  return out;
}

class UnaryKernel final : public Kernel {
 public:
  UnaryKernel(Unary op, const Node& node) : op_(op), constants_(constantsOf(node.attributes)), name_("cpu-" + node.op->name) {}
  void run(const KernelArguments& k) const override {
    const float* x = k.inputs[0].as<float>();
    float* y = k.outputs[0].as<float>();
    parallelFor(k.outputs[0].count(), kGrain, [&](int64_t begin, int64_t end) { isa_.math->unary(op_, x + begin, y + begin, end - begin, constants_.a, constants_.b); });
  }
  std::string_view name() const override { return name_; }

 private:
  const IsaKernels& isa_ = kernels();
  Unary op_;
  Constants constants_;
  std::string name_;
};

/// Broadcasting with adjacent axes merged where both operands step through them alike.
struct Walk {
  std::array<int64_t, Shape::kMaxRank> size{}, stepA{}, stepB{};
  int rank = 0;

  Walk(const Shape& a, const Shape& b, const Shape& out) {
    int64_t strideA = 1, strideB = 1;
    for (int i = 0; i < out.rank(); ++i) {
      const int axis = out.rank() - 1 - i, axisA = axis - out.rank() + a.rank(), axisB = axis - out.rank() + b.rank();
      const int64_t n = out[axis], sizeA = axisA < 0 ? 1 : a[axisA], sizeB = axisB < 0 ? 1 : b[axisB];
      const int64_t sa = sizeA == 1 ? 0 : strideA, sb = sizeB == 1 ? 0 : strideB;
      strideA *= sizeA;
      strideB *= sizeB;
      if (n == 1) continue;
      const auto last = static_cast<size_t>(rank - 1), next = static_cast<size_t>(rank);
      if (rank > 0 && sa == stepA[last] * size[last] && sb == stepB[last] * size[last]) {
        size[last] *= n;
        continue;
      }
      size[next] = n, stepA[next] = sa, stepB[next] = sb;
      ++rank;
    }
    if (rank == 0) size[0] = 1, rank = 1;
  }
};

class BinaryKernel final : public Kernel {
 public:
  BinaryKernel(Binary op, const NodeSignature& s)
      : op_(op), constants_(constantsOf(s.node.attributes)), walk_(s.inputs[0].shape, s.inputs[1].shape, s.outputs[0].shape), name_("cpu-" + s.node.op->name) {}

  void run(const KernelArguments& k) const override {
    const float *x = k.inputs[0].as<float>(), *y = k.inputs[1].as<float>();
    float* out = k.outputs[0].as<float>();
    const int64_t inner = walk_.size[0], rows = inner ? k.outputs[0].count() / inner : 0;
    const bool first = walk_.stepA[0] != 0, second = walk_.stepB[0] != 0;
    // A single element row steps through neither; both pointers then stay where they are.
    const Steps steps = first == second ? Steps::Both : first ? Steps::First : Steps::Second;
    if (rows == 1) {
      parallelFor(inner, kGrain, [&](int64_t begin, int64_t end) {
        isa_.math->binary(op_, steps, x + (first ? begin : 0), y + (second ? begin : 0), out + begin, end - begin, constants_.a, constants_.b);
      });
      return;
    }
    parallelFor(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(inner, 1)), [&](int64_t begin, int64_t end) {
      std::array<int64_t, Shape::kMaxRank> at{};
      int64_t a = 0, b = 0, rest = begin;
      for (int axis = 1; axis < walk_.rank; ++axis) {
        const auto i = static_cast<size_t>(axis);
        at[i] = rest % walk_.size[i];
        rest /= walk_.size[i];
        a += at[i] * walk_.stepA[i];
        b += at[i] * walk_.stepB[i];
      }
      for (int64_t row = begin; row < end; ++row) {
        isa_.math->binary(op_, steps, x + a, y + b, out + row * inner, inner, constants_.a, constants_.b);
        for (int axis = 1; axis < walk_.rank; ++axis) {
          const auto i = static_cast<size_t>(axis);
          a += walk_.stepA[i];
          b += walk_.stepB[i];
          if (++at[i] < walk_.size[i]) break;
          a -= walk_.stepA[i] * walk_.size[i];
          b -= walk_.stepB[i] * walk_.size[i];
          at[i] = 0;
        }
      }
    });
  }
  std::string_view name() const override { return name_; }

 private:
  const IsaKernels& isa_ = kernels();
  Binary op_;
  Constants constants_;
  Walk walk_;
  std::string name_;
};

template <Unary Op>
std::unique_ptr<Kernel> unary(const NodeSignature& s) {
  return allF32(s) && sameLayouts(s) ? std::make_unique<UnaryKernel>(Op, s.node) : nullptr;
}
template <Binary Op>
std::unique_ptr<Kernel> binary(const NodeSignature& s) {
  return allF32(s) && sameLayouts(s) ? std::make_unique<BinaryKernel>(Op, s) : nullptr;
}
std::unique_ptr<Kernel> gelu(const NodeSignature& s) { return s.node.attributes.text("approximate") == "tanh" ? unary<Unary::GeluTanh>(s) : unary<Unary::Gelu>(s); }
std::unique_ptr<Kernel> geluGrad(const NodeSignature& s) {
  return s.node.attributes.text("approximate") == "tanh" ? binary<Binary::GeluTanhGrad>(s) : binary<Binary::GeluGrad>(s);
}

const RegisterKernel registered[] = {
    RegisterKernel({.op = "neg", .backend = "cpu", .make = unary<Unary::Neg>}),
    RegisterKernel({.op = "abs", .backend = "cpu", .make = unary<Unary::Abs>}),
    RegisterKernel({.op = "reciprocal", .backend = "cpu", .make = unary<Unary::Reciprocal>}),
    RegisterKernel({.op = "sqrt", .backend = "cpu", .make = unary<Unary::Sqrt>}),
    RegisterKernel({.op = "exp", .backend = "cpu", .make = unary<Unary::Exp>}),
    RegisterKernel({.op = "log", .backend = "cpu", .make = unary<Unary::Log>}),
    RegisterKernel({.op = "tanh", .backend = "cpu", .make = unary<Unary::Tanh>}),
    RegisterKernel({.op = "sigmoid", .backend = "cpu", .make = unary<Unary::Sigmoid>}),
    RegisterKernel({.op = "erf", .backend = "cpu", .make = unary<Unary::Erf>}),
    RegisterKernel({.op = "softplus", .backend = "cpu", .make = unary<Unary::Softplus>}),
    RegisterKernel({.op = "silu", .backend = "cpu", .make = unary<Unary::Silu>}),
    RegisterKernel({.op = "mish", .backend = "cpu", .make = unary<Unary::Mish>}),
    RegisterKernel({.op = "hardSwish", .backend = "cpu", .make = unary<Unary::HardSwish>}),
    RegisterKernel({.op = "relu", .backend = "cpu", .make = unary<Unary::Relu>}),
    RegisterKernel({.op = "leakyRelu", .backend = "cpu", .make = unary<Unary::LeakyRelu>}),
    RegisterKernel({.op = "elu", .backend = "cpu", .make = unary<Unary::Elu>}),
    RegisterKernel({.op = "selu", .backend = "cpu", .make = unary<Unary::Selu>}),
    RegisterKernel({.op = "hardSigmoid", .backend = "cpu", .make = unary<Unary::HardSigmoid>}),
    RegisterKernel({.op = "clip", .backend = "cpu", .make = unary<Unary::Clip>}),
    RegisterKernel({.op = "gelu", .backend = "cpu", .make = gelu}),
    RegisterKernel({.op = "add", .backend = "cpu", .make = binary<Binary::Add>}),
    RegisterKernel({.op = "sub", .backend = "cpu", .make = binary<Binary::Sub>}),
    RegisterKernel({.op = "mul", .backend = "cpu", .make = binary<Binary::Mul>}),
    RegisterKernel({.op = "div", .backend = "cpu", .make = binary<Binary::Div>}),
    RegisterKernel({.op = "min", .backend = "cpu", .make = binary<Binary::Min>}),
    RegisterKernel({.op = "max", .backend = "cpu", .make = binary<Binary::Max>}),
    RegisterKernel({.op = "prelu", .backend = "cpu", .make = binary<Binary::Prelu>}),
    RegisterKernel({.op = "reluGrad", .backend = "cpu", .make = binary<Binary::ReluGrad>}),
    RegisterKernel({.op = "sigmoidGrad", .backend = "cpu", .make = binary<Binary::SigmoidGrad>}),
    RegisterKernel({.op = "tanhGrad", .backend = "cpu", .make = binary<Binary::TanhGrad>}),
    RegisterKernel({.op = "leakyReluGrad", .backend = "cpu", .make = binary<Binary::LeakyReluGrad>}),
    RegisterKernel({.op = "eluGrad", .backend = "cpu", .make = binary<Binary::EluGrad>}),
    RegisterKernel({.op = "clipGrad", .backend = "cpu", .make = binary<Binary::ClipGrad>}),
    RegisterKernel({.op = "geluGrad", .backend = "cpu", .make = geluGrad}),
    RegisterKernel({.op = "siluGrad", .backend = "cpu", .make = binary<Binary::SiluGrad>}),
    RegisterKernel({.op = "hardSwishGrad", .backend = "cpu", .make = binary<Binary::HardSwishGrad>}),
    RegisterKernel({.op = "hardSigmoidGrad", .backend = "cpu", .make = binary<Binary::HardSigmoidGrad>}),
};

}  // namespace
}  // namespace ascribe::cpu
