#pragma once
#include <cstdint>

namespace ascribe::cpu {

enum class Unary {
  Neg, Abs, Sign, Reciprocal, Sqrt, Floor, Ceil, Round, Exp, Log, Tanh, Sigmoid, Erf, Softplus, Softsign, Silu, Mish,
  Gelu, GeluTanh, HardSwish, Relu,
  LeakyRelu,         // a: slope
  Elu, Celu,         // a: alpha
  Selu,              // a: alpha, b: gamma
  ThresholdedRelu,   // a: alpha
  HardSigmoid,       // a: alpha, b: beta
  Clip,              // a: min, b: max
  Affine,            // a * x + b
};

enum class Binary {
  Add, Sub, Mul, Div, Min, Max, Prelu,
  // Gates: the first operand is the gradient, the second the saved value (y for the first three, else x).
  ReluGrad, SigmoidGrad, TanhGrad,
  LeakyReluGrad,     // a: slope
  EluGrad,           // a: alpha
  ClipGrad,          // a: min, b: max
  GeluGrad, GeluTanhGrad, SiluGrad, HardSwishGrad,
  HardSigmoidGrad,   // a: alpha, b: beta
};

/// Which operands step along a row; a fixed one is a single value.
enum class Steps { Both, First, Second };

/// Vector math for one instruction set, on one thread. In place is fine.
struct MathKernels {
  void (*unary)(Unary op, const float* x, float* y, int64_t n, float a, float b);
  void (*binary)(Binary op, Steps steps, const float* x, const float* y, float* out, int64_t n, float a, float b);
  /// Bit i of `bits` says that low < y[i] < high; bits beyond n in the last byte are 0.
  void (*gateBits)(const float* y, uint8_t* bits, int64_t n, float low, float high);
  /// g where the bit is set, else alpha g; 0 for an alpha of 0, whatever g is.
  void (*bitGate)(const float* g, const uint8_t* bits, float* out, int64_t n, float alpha);
  /// (1 - p) a + p b, which is a for p = 0 and b for p = 1.
  void (*interpolate)(const float* a, const float* b, float* out, int64_t n, float p);
};

}  // namespace ascribe::cpu
