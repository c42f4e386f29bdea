#include <cmath>
#include <type_traits>

#include "kernels/cpu/cpu_kernel.h"
#include "kernels/cpu/math_kernels.h"
#include "kernels/cpu/strided_loop.h"

namespace ascribe::cpu {
namespace {

/// Both operands, with numpy's broadcasting; the output runs on contiguously.
StridedLoop<3> loopOf(const KernelArguments& k) {
  const Shape& out = k.outputs[0].shape;
  return {out, {broadcastStrides(k.inputs[0].shape, out), broadcastStrides(k.inputs[1].shape, out), rowMajor(out)}};
}

/// Rows of this many elements and less are put together where one operand repeats from row to row (a number for each
/// channel beside blocks of channels): a call for each would take longer than what it does.
constexpr int64_t kShortRow = 128, kRepeated = 1024;

/// The operand (0 or 1) that is the same in all short rows of a matrix whose other operand runs on; -1 if there is none.
int repeatedOperand(const StridedLoop<3>& loop) {
  const int last = loop.rank() - 1;
  if (last < 1 || loop.rowLength() > kShortRow || loop.size(last - 1) < 4) return -1;
  for (const size_t n : {size_t{0}, size_t{1}})
    if (loop.stride(n, last) == 1 && loop.stride(n, last - 1) == 0 && loop.stride(1 - n, last) == 1 && loop.stride(1 - n, last - 1) == loop.rowLength())
      return static_cast<int>(n);
  return -1;
}

/// f(x, y, out, elements) over matrices of short rows, the repeated row written down as often as fits a kilobyte or four.
template <class F>
void overMatrices(const StridedLoop<3>& loop, int repeated, const float* x, const float* y, float* out, F&& f) {
  const int last = loop.rank() - 1;
  const int64_t length = loop.rowLength(), rows = loop.size(last - 1), matrices = loop.rows() / rows, together = std::min(rows, kRepeated / length);
  parallelFor(matrices, std::max<int64_t>(1, kElementGrain / (rows * length)), [&](int64_t begin, int64_t end) {
    float copies[kRepeated];
    for (int64_t matrix = begin; matrix < end; ++matrix) {
      std::array<int64_t, 3> at{};
      int64_t rest = matrix;
      for (int axis = last - 1; axis-- > 0; rest /= loop.size(axis))
        for (size_t n = 0; n < 3; ++n) at[n] += rest % loop.size(axis) * loop.stride(n, axis);
      const float* row = repeated == 0 ? x + at[0] : y + at[1];
      for (int64_t i = 0; i < together; ++i) std::copy_n(row, length, copies + i * length);
      for (int64_t r = 0; r < rows; r += together) {
        const int64_t from = r * length, n = std::min(together, rows - r) * length;
        f(repeated == 0 ? copies : x + at[0] + from, repeated == 1 ? copies : y + at[1] + from, out + at[2] + from, n);
      }
    }
  });
}

void apply(const KernelArguments& k, Binary op, double a = 0, double b = 0) {
  const StridedLoop<3> loop = loopOf(k);
  const MathKernels& math = *kernels().math;
  const float *x = k.inputs[0].as<float>(), *y = k.inputs[1].as<float>();
  float* out = k.outputs[0].as<float>();
  if (const int repeated = repeatedOperand(loop); repeated >= 0 && loop.rows() > 0)
    return overMatrices(loop, repeated, x, y, out, [&](const float* p, const float* q, float* to, int64_t n) {
      math.binary(op, Steps::Both, p, q, to, n, static_cast<float>(a), static_cast<float>(b));
    });
  const bool fixedX = loop.step(0) == 0, fixedY = loop.step(1) == 0;
  const Steps steps = fixedX && !fixedY ? Steps::Second : fixedY && !fixedX ? Steps::First : Steps::Both;
  loop.run(kElementGrain, [&](const auto& at, int64_t n) {
    math.binary(op, steps, x + at[0], y + at[1], out + at[2], n, static_cast<float>(a), static_cast<float>(b));
  });
}
template <Binary Op>
void plain(const KernelArguments& k, const Node&) { apply(k, Op); }
template <Binary Op>
void withAlpha(const KernelArguments& k, const Node& node) { apply(k, Op, node.attributes.real("alpha")); }

/// Any element type, one function of two elements; the compiler vectorises the common steps.
template <class T, class R, class F>
void generic(const KernelArguments& k, F f) {
  const StridedLoop<3> loop = loopOf(k);
  const T *x = k.inputs[0].as<T>(), *y = k.inputs[1].as<T>();
  R* out = k.outputs[0].as<R>();
  loop.run(kElementGrain, [&](const auto& at, int64_t n) {
    const T *a = x + at[0], *b = y + at[1];
    R* to = out + at[2];
    if (loop.step(0) == 1 && loop.step(1) == 1)
      for (int64_t i = 0; i < n; ++i) to[i] = f(a[i], b[i]);
    else if (loop.step(1) == 0 && loop.step(0) == 1)
      for (int64_t i = 0; i < n; ++i) to[i] = f(a[i], *b);
    else
      for (int64_t i = 0; i < n; ++i) to[i] = f(a[i * loop.step(0)], b[i * loop.step(1)]);
  });
}

template <class F>
void compare(const KernelArguments& k, const Node&) {
  switch (k.inputs[0].dtype) {
    case DType::F32: return generic<float, uint8_t>(k, F{});
    case DType::I64: return generic<int64_t, uint8_t>(k, F{});
    case DType::I32: return generic<int32_t, uint8_t>(k, F{});
    default: return generic<uint8_t, uint8_t>(k, F{});
  }
}
bool comparable(const NodeSignature& s) {
  const DType t = s.inputs[0].dtype;
  return t == DType::F32 || t == DType::I64 || t == DType::I32 || t == DType::Bool;
}
template <class F>
void truths(const KernelArguments& k, const Node&) {
  generic<uint8_t, uint8_t>(k, [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(F{}(a != 0, b != 0)); });
}
bool boolean(const NodeSignature& s) { return s.inputs[0].dtype == DType::Bool; }

void power(const KernelArguments& k, const Node&) {
  // The exponents that models write are few; each of them is exact as a product or a root.
  if (k.inputs[1].count() == 1) {
    const float e = *k.inputs[1].as<float>();
    if (e == 2) return generic<float, float>(k, [](float x, float) { return x * x; });
    if (e == 3) return generic<float, float>(k, [](float x, float) { return x * x * x; });
    if (e == 1) return generic<float, float>(k, [](float x, float) { return x; });
    if (e == -1) return generic<float, float>(k, [](float x, float) { return 1 / x; });
  }
  generic<float, float>(k, [](float x, float y) { return std::pow(x, y); });
}

/// Both sides are read and one is taken by its bits: a branch would be mispredicted where masks are random.
template <class T, int stepA, int stepB>
void selectRun(const uint8_t* c, const T* a, const T* b, T* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const T taken = static_cast<T>(-static_cast<T>(c[i] != 0)), x = a[i * stepA], y = b[i * stepB];
    to[i] = static_cast<T>(y ^ ((x ^ y) & taken));
  }
}

template <class T>
void select(const KernelArguments& k) {
  const Shape& out = k.outputs[0].shape;
  const StridedLoop<4> loop(out, {broadcastStrides(k.inputs[0].shape, out), broadcastStrides(k.inputs[1].shape, out),
                                  broadcastStrides(k.inputs[2].shape, out), rowMajor(out)});
  loop.run(kElementGrain, [&](const auto& at, int64_t n) {
    const uint8_t* c = k.inputs[0].as<uint8_t>() + at[0];
    const T *a = k.inputs[1].as<T>() + at[1], *b = k.inputs[2].as<T>() + at[2];
    T* to = k.outputs[0].as<T>() + at[3];
    const int64_t stepA = loop.step(1), stepB = loop.step(2);
    if (loop.step(0) == 1 && stepA == 1 && stepB == 1) return selectRun<T, 1, 1>(c, a, b, to, n);
    if (loop.step(0) == 1 && stepA == 0 && stepB == 1) return selectRun<T, 0, 1>(c, a, b, to, n);
    if (loop.step(0) == 1 && stepA == 1 && stepB == 0) return selectRun<T, 1, 0>(c, a, b, to, n);
    for (int64_t i = 0; i < n; ++i) to[i] = c[i * loop.step(0)] ? a[i * stepA] : b[i * stepB];
  });
}
void where(const KernelArguments& k, const Node&) {
  switch (sizeOf(k.outputs[0].dtype)) {
    case 1: return select<uint8_t>(k);
    case 2: return select<uint16_t>(k);
    case 4: return select<uint32_t>(k);
    default: return select<uint64_t>(k);
  }
}
bool selectable(const NodeSignature& s) { return sizeOf(s.outputs[0].dtype) <= 8; }

struct Equal { template <class T> uint8_t operator()(T a, T b) const { return a == b; } };
struct Less { template <class T> uint8_t operator()(T a, T b) const { return a < b; } };
struct LessOrEqual { template <class T> uint8_t operator()(T a, T b) const { return a <= b; } };
struct Greater { template <class T> uint8_t operator()(T a, T b) const { return a > b; } };
struct GreaterOrEqual { template <class T> uint8_t operator()(T a, T b) const { return a >= b; } };
struct And { bool operator()(bool a, bool b) const { return a && b; } };
struct Or { bool operator()(bool a, bool b) const { return a || b; } };
struct Xor { bool operator()(bool a, bool b) const { return a != b; } };

const RegisterKernelFunction registered[] = {
    {"add", "cpu", plain<Binary::Add>, takesF32},
    {"sub", "cpu", plain<Binary::Sub>, takesF32},
    {"mul", "cpu", plain<Binary::Mul>, takesF32},
    {"div", "cpu", plain<Binary::Div>, takesF32},
    {"min", "cpu", plain<Binary::Min>, takesF32},
    {"max", "cpu", plain<Binary::Max>, takesF32},
    {"prelu", "cpu", plain<Binary::Prelu>, takesF32},
    {"pow", "cpu", power, takesF32},
    {"equal", "cpu", compare<Equal>, comparable},
    {"less", "cpu", compare<Less>, comparable},
    {"lessOrEqual", "cpu", compare<LessOrEqual>, comparable},
    {"greater", "cpu", compare<Greater>, comparable},
    {"greaterOrEqual", "cpu", compare<GreaterOrEqual>, comparable},
    {"and", "cpu", truths<And>, boolean},
    {"or", "cpu", truths<Or>, boolean},
    {"xor", "cpu", truths<Xor>, boolean},
    {"where", "cpu", where, selectable},
    {"reluGrad", "cpu", plain<Binary::ReluGrad>, takesF32},
    {"sigmoidGrad", "cpu", plain<Binary::SigmoidGrad>, takesF32},
    {"tanhGrad", "cpu", plain<Binary::TanhGrad>, takesF32},
    {"siluGrad", "cpu", plain<Binary::SiluGrad>, takesF32},
    {"hardSwishGrad", "cpu", plain<Binary::HardSwishGrad>, takesF32},
    {"leakyReluGrad", "cpu", withAlpha<Binary::LeakyReluGrad>, takesF32},
    {"eluGrad", "cpu", withAlpha<Binary::EluGrad>, takesF32},
    {"clipGrad", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, Binary::ClipGrad, node.attributes.real("min"), node.attributes.real("max"));
     }, takesF32},
    {"hardSigmoidGrad", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, Binary::HardSigmoidGrad, node.attributes.real("alpha"), node.attributes.real("beta"));
     }, takesF32},
    {"geluGrad", "cpu", [](const KernelArguments& k, const Node& node) {
       apply(k, node.attributes.text("approximate") == "tanh" ? Binary::GeluTanhGrad : Binary::GeluGrad);
     }, takesF32},
};

}  // namespace
}  // namespace ascribe::cpu
