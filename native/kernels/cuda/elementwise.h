#pragma once
#include <cmath>
#include <type_traits>

#include "kernels/cuda/index.h"
#include "kernels/cuda/transpose.h"

// Each formula and each kink as in kernels/reference/activations.h: the side whose derivative is smaller in size has it.
namespace ascribe::cuda {

__device__ inline float sigmoidOf(float x) {
  if (x < 0) {
    const float e = expf(x);
    return e / (1 + e);
  }
  return 1 / (1 + expf(-x));
}
__device__ inline float softplusOf(float x) { return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x)); }
__device__ inline float unitClip(float x) { return x <= 0 ? 0.0f : x >= 1 ? 1.0f : x; }
constexpr float kRootHalf = 0.70710678118654752440f, kRootTwoOverPi = 0.79788456080286535588f, kGeluCubic = 0.044715f;
/// What no comparison holds for is NaN, and stays it.
__device__ inline float clipOf(float x, float low, float high) {
  if (x <= low) x = low;
  return x >= high ? high : x;
}

__device__ inline float unaryOf(int op, float x, float a, float b) {
  switch (op) {
    case ASCRIBE_CUDA_NEG: return -x;
    case ASCRIBE_CUDA_ABS: return x > 0 ? x : x < 0 ? -x : x * 0;
    case ASCRIBE_CUDA_SIGN: return x > 0 ? 1.0f : x < 0 ? -1.0f : x * 0;
    case ASCRIBE_CUDA_RECIPROCAL: return 1 / x;
    case ASCRIBE_CUDA_SQRT: return sqrtf(x);
    case ASCRIBE_CUDA_FLOOR: return floorf(x);
    case ASCRIBE_CUDA_CEIL: return ceilf(x);
    case ASCRIBE_CUDA_ROUND: return rintf(x);
    case ASCRIBE_CUDA_EXP: return expf(x);
    case ASCRIBE_CUDA_LOG: return logf(x);
    case ASCRIBE_CUDA_TANH: return tanhf(x);
    case ASCRIBE_CUDA_SIGMOID: return sigmoidOf(x);
    case ASCRIBE_CUDA_ERF: return erff(x);
    case ASCRIBE_CUDA_SOFTPLUS: return softplusOf(x);
    case ASCRIBE_CUDA_SOFTSIGN: return x / (1 + fabsf(x));
    case ASCRIBE_CUDA_SILU: return x * sigmoidOf(x);
    case ASCRIBE_CUDA_MISH: return x * tanhf(softplusOf(x));
    case ASCRIBE_CUDA_HARD_SWISH: return x * unitClip(x * (1.0f / 6) + 0.5f);
    case ASCRIBE_CUDA_RELU: return x <= 0 ? 0.0f : x;
    case ASCRIBE_CUDA_LEAKY_RELU: return x > 0 ? x : x * a;
    case ASCRIBE_CUDA_ELU: return x > 0 ? x : expm1f(x) * a;
    case ASCRIBE_CUDA_CELU: return x > 0 ? x : expm1f(x / a) * a;
    case ASCRIBE_CUDA_THRESHOLDED_RELU: return x > a ? x : 0.0f;
    case ASCRIBE_CUDA_SELU: return x > 0 ? x * b : expm1f(x) * (a * b);
    case ASCRIBE_CUDA_HARD_SIGMOID: return unitClip(x * a + b);
    case ASCRIBE_CUDA_CLIP: return clipOf(x, a, b);
    // (1 + erf z) / 2, but exact far below 0 too.
    case ASCRIBE_CUDA_GELU: return x * 0.5f * erfcf(-x * kRootHalf);
    case ASCRIBE_CUDA_GELU_TANH: return x * sigmoidOf(2 * kRootTwoOverPi * (x + x * x * x * kGeluCubic));
    case ASCRIBE_CUDA_SIN: return sinf(x);
    case ASCRIBE_CUDA_COS: return cosf(x);
    case ASCRIBE_CUDA_TAN: return tanf(x);
    case ASCRIBE_CUDA_ASIN: return asinf(x);
    case ASCRIBE_CUDA_ACOS: return acosf(x);
    case ASCRIBE_CUDA_ATAN: return atanf(x);
    case ASCRIBE_CUDA_SINH: return sinhf(x);
    case ASCRIBE_CUDA_COSH: return coshf(x);
    case ASCRIBE_CUDA_ASINH: return asinhf(x);
    case ASCRIBE_CUDA_ACOSH: return acoshf(x);
    default: return atanhf(x);
  }
}

/// A closed gate passes 0 whatever the gradient is.
__device__ inline float gated(float gradient, float derivative) { return derivative == 0 ? 0.0f : gradient * derivative; }

__device__ inline float binaryOf(int op, float x, float y, float a, float b) {
  switch (op) {
    case ASCRIBE_CUDA_ADD: return x + y;
    case ASCRIBE_CUDA_SUB: return x - y;
    case ASCRIBE_CUDA_MUL: return x * y;
    case ASCRIBE_CUDA_DIV: return x / y;
    case ASCRIBE_CUDA_MIN: return x != x ? x : y != y || y < x ? y : x;
    case ASCRIBE_CUDA_MAX: return x != x ? x : y != y || y > x ? y : x;
    case ASCRIBE_CUDA_POW: return y == 2 ? x * x : y == 1 ? x : y == 3 ? x * x * x : y == -1 ? 1 / x : powf(x, y);
    case ASCRIBE_CUDA_PRELU: return x < 0 ? x * y : x;
    case ASCRIBE_CUDA_RELU_GRAD: return y > 0 ? x : 0.0f;
    case ASCRIBE_CUDA_SIGMOID_GRAD: return gated(x, y * (1 - y));
    case ASCRIBE_CUDA_TANH_GRAD: return gated(x, 1 - y * y);
    case ASCRIBE_CUDA_SILU_GRAD: {
      const float s = sigmoidOf(y);
      return gated(x, s * (1 + y * (1 - s)));
    }
    case ASCRIBE_CUDA_HARD_SWISH_GRAD: return gated(x, y <= -3 ? 0.0f : y >= 3 ? 1.0f : y * (1.0f / 3) + 0.5f);
    case ASCRIBE_CUDA_LEAKY_RELU_GRAD: return gated(x, y > 0 ? 1.0f : a);
    case ASCRIBE_CUDA_ELU_GRAD: return gated(x, y > 0 ? 1.0f : expf(y) * a);
    case ASCRIBE_CUDA_CLIP_GRAD: return y > a && y < b ? x : 0.0f;
    case ASCRIBE_CUDA_HARD_SIGMOID_GRAD: {
      const float inner = y * a + b;
      return gated(x, inner > 0 && inner < 1 ? a : 0.0f);
    }
    case ASCRIBE_CUDA_GELU_GRAD: {
      const float density = expf(y * y * -0.5f) * (kRootTwoOverPi * 0.5f);
      return gated(x, 0.5f * erfcf(-y * kRootHalf) + (fabsf(y) > 1e30f ? 0.0f : y * density));
    }
    default: {  // the tanh form of GELU: (1 + tanh z) / 2 is the sigmoid of 2 z
      const float p = sigmoidOf(2 * kRootTwoOverPi * (y + y * y * y * kGeluCubic));
      return gated(x, p + y * p * (1 - p) * 2 * kRootTwoOverPi * (1 + 3 * kGeluCubic * y * y));
    }
  }
}

inline int runUnary(Stream& stream, const Call& call) {
  const int op = call.code;
  const float a = call.reals[0], b = call.reals[1];
  const int64_t count = countOf(call.tensors[1]);
  if (op == ASCRIBE_CUDA_NOT) {
    const auto* x = static_cast<const uint8_t*>(call.tensors[0].data);
    auto* y = static_cast<uint8_t*>(call.tensors[1].data);
    return overElements(stream, count, [=] __device__(int64_t i) { y[i] = x[i] == 0; });
  }
  const auto* x = static_cast<const float*>(call.tensors[0].data);
  auto* y = static_cast<float*>(call.tensors[1].data);
  if (count % 4 == 0 && isAligned(x) && isAligned(y)) {
    const auto* from = reinterpret_cast<const float4*>(x);
    auto* to = reinterpret_cast<float4*>(y);
    return overElements(stream, count / 4, [=] __device__(int64_t i) {
      const float4 v = from[i];
      to[i] = float4{unaryOf(op, v.x, a, b), unaryOf(op, v.y, a, b), unaryOf(op, v.z, a, b), unaryOf(op, v.w, a, b)};
    });
  }
  return overElements(stream, count, [=] __device__(int64_t i) { y[i] = unaryOf(op, x[i], a, b); });
}
/// Four elements from a place on, or one for all four.
__device__ inline float4 fourOf(const float* from, bool runs) {
  if (runs) return *reinterpret_cast<const float4*>(from);
  return float4{*from, *from, *from, *from};
}

/// Sums and products wrap around, as those of the host's kernels do.
template <class T>
int binaryIntegers(Stream& stream, const Call& call) {
  using Unsigned = std::make_unsigned_t<T>;
  const Tensor &x = call.tensors[0], &y = call.tensors[1], &out = call.tensors[2];
  const Walk<2> walk(out.dims, out.rank, {x.strides, y.strides});
  const auto *p = static_cast<const T*>(x.data), *q = static_cast<const T*>(y.data);
  auto* to = static_cast<T*>(out.data);
  const int op = call.code;
  return overElements(stream, countOf(out), [=] __device__(int64_t i) {
    int64_t at[2];
    walk.at(i, at);
    const T a = p[at[0]], b = q[at[1]];
    const auto u = static_cast<Unsigned>(a), v = static_cast<Unsigned>(b);
    switch (op) {
      case ASCRIBE_CUDA_ADD: to[i] = static_cast<T>(u + v); break;
      case ASCRIBE_CUDA_SUB: to[i] = static_cast<T>(u - v); break;
      case ASCRIBE_CUDA_MUL: to[i] = static_cast<T>(u * v); break;
      case ASCRIBE_CUDA_MIN: to[i] = b < a ? b : a; break;
      default: to[i] = b > a ? b : a; break;
    }
  });
}
inline int runBinary(Stream& stream, const Call& call) {
  if (call.tensors[0].type == ASCRIBE_CUDA_I64) return binaryIntegers<int64_t>(stream, call);
  if (call.tensors[0].type == ASCRIBE_CUDA_I32) return binaryIntegers<int32_t>(stream, call);
  const Tensor &x = call.tensors[0], &y = call.tensors[1], &out = call.tensors[2];
  Walk<2> walk(out.dims, out.rank, {x.strides, y.strides});
  const auto *p = static_cast<const float*>(x.data), *q = static_cast<const float*>(y.data);
  auto* to = static_cast<float*>(out.data);
  const int op = call.code;
  const float a = call.reals[0], b = call.reals[1];
  if (isAligned(p) && isAligned(q) && isAligned(to) && walk.takeFours()) {
    const bool first = walk.runs(0), second = walk.runs(1);
    return overElements(stream, countOf(out) / 4, [=] __device__(int64_t i) {
      int64_t at[2];
      walk.at(i, at);
      const float4 u = fourOf(p + at[0], first), v = fourOf(q + at[1], second);
      reinterpret_cast<float4*>(to)[i] = float4{binaryOf(op, u.x, v.x, a, b), binaryOf(op, u.y, v.y, a, b), binaryOf(op, u.z, v.z, a, b), binaryOf(op, u.w, v.w, a, b)};
    });
  }
  return overElements(stream, countOf(out), [=] __device__(int64_t i) {
    int64_t at[2];
    walk.at(i, at);
    to[i] = binaryOf(op, p[at[0]], q[at[1]], a, b);
  });
}

template <class T>
int compareAs(Stream& stream, const Call& call) {
  const Tensor &x = call.tensors[0], &y = call.tensors[1], &out = call.tensors[2];
  const Walk<2> walk(out.dims, out.rank, {x.strides, y.strides});
  const auto *p = static_cast<const T*>(x.data), *q = static_cast<const T*>(y.data);
  auto* to = static_cast<uint8_t*>(out.data);
  const int op = call.code;
  return overElements(stream, countOf(out), [=] __device__(int64_t i) {
    int64_t at[2];
    walk.at(i, at);
    const T a = p[at[0]], b = q[at[1]];
    bool holds = false;
    switch (op) {
      case ASCRIBE_CUDA_EQUAL: holds = a == b; break;
      case ASCRIBE_CUDA_LESS: holds = a < b; break;
      case ASCRIBE_CUDA_LESS_OR_EQUAL: holds = a <= b; break;
      case ASCRIBE_CUDA_GREATER: holds = a > b; break;
      case ASCRIBE_CUDA_GREATER_OR_EQUAL: holds = a >= b; break;
      case ASCRIBE_CUDA_AND: holds = a != T(0) && b != T(0); break;
      case ASCRIBE_CUDA_OR: holds = a != T(0) || b != T(0); break;
      default: holds = (a != T(0)) != (b != T(0)); break;
    }
    to[i] = holds;
  });
}
inline int runCompare(Stream& stream, const Call& call) {
  switch (call.tensors[0].type) {
    case ASCRIBE_CUDA_F32: return compareAs<float>(stream, call);
    case ASCRIBE_CUDA_I64: return compareAs<int64_t>(stream, call);
    case ASCRIBE_CUDA_I32: return compareAs<int32_t>(stream, call);
    default: return compareAs<uint8_t>(stream, call);
  }
}

/// body(a value of a plain type as large as the elements): what only moves does not care what the bits mean.
template <class Body>
int bySize(int size, Body&& body) {
  switch (size) {
    case 1: return body(uint8_t{});
    case 2: return body(uint16_t{});
    case 4: return body(uint32_t{});
    default: return body(uint64_t{});
  }
}

template <class T>
int selectAs(Stream& stream, const Call& call) {
  const Tensor &c = call.tensors[0], &x = call.tensors[1], &y = call.tensors[2], &out = call.tensors[3];
  const Walk<3> walk(out.dims, out.rank, {c.strides, x.strides, y.strides});
  const auto* condition = static_cast<const uint8_t*>(c.data);
  const auto *p = static_cast<const T*>(x.data), *q = static_cast<const T*>(y.data);
  auto* to = static_cast<T*>(out.data);
  return overElements(stream, countOf(out), [=] __device__(int64_t i) {
    int64_t at[3];
    walk.at(i, at);
    to[i] = condition[at[0]] ? p[at[1]] : q[at[2]];
  });
}
inline int runSelect(Stream& stream, const Call& call) {
  return bySize(call.tensors[3].size, [&](auto zero) { return selectAs<decltype(zero)>(stream, call); });
}

template <class T>
int copyAs(Stream& stream, const Call& call) {
  const Tensor &from = call.tensors[0], &to = call.tensors[1];
  const Walk<2> walk(to.dims, to.rank, {from.strides, to.strides});
  const auto* source = static_cast<const T*>(from.data);
  auto* destination = static_cast<T*>(to.data);
  return overElements(stream, countOf(to), [=] __device__(int64_t i) {
    int64_t at[2];
    walk.at(i, at);
    destination[at[1]] = source[at[0]];
  });
}
/// Four elements of four bytes at a time.
inline int copyFours(Stream& stream, const Call& call, const Walk<2>& walk) {
  const auto* source = static_cast<const float*>(call.tensors[0].data);
  auto* destination = static_cast<float*>(call.tensors[1].data);
  const bool runs = walk.runs(0);
  return overElements(stream, countOf(call.tensors[1]) / 4, [=] __device__(int64_t i) {
    int64_t at[2];
    walk.at(i, at);
    *reinterpret_cast<float4*>(destination + at[1]) = fourOf(source + at[0], runs);
  });
}
inline int runCopy(Stream& stream, const Call& call) {
  const Tensor &from = call.tensors[0], &to = call.tensors[1];
  if (to.size == 4 && isAligned(from.data) && isAligned(to.data)) {
    Walk<2> walk(to.dims, to.rank, {from.strides, to.strides});
    if (walk.takeFours() && walk.runs(1)) return copyFours(stream, call, walk);
  }
  if (to.size == 4) {
    bool done = false;
    const Walk<2> walk(to.dims, to.rank, {from.strides, to.strides});
    const int status = copySquares(stream, walk, static_cast<const float*>(from.data), static_cast<float*>(to.data), done);
    if (done) return status;
  }
  return bySize(call.tensors[1].size, [&](auto zero) { return copyAs<decltype(zero)>(stream, call); });
}

template <class T>
int fillAs(Stream& stream, const Call& call) {
  auto* to = static_cast<T*>(call.tensors[0].data);
  const T value = static_cast<T>(call.integers[0]);
  return overElements(stream, countOf(call.tensors[0]), [=] __device__(int64_t i) { to[i] = value; });
}
inline int runFill(Stream& stream, const Call& call) {
  return bySize(call.tensors[0].size, [&](auto zero) { return fillAs<decltype(zero)>(stream, call); });
}

template <class From, class To>
int castAs(Stream& stream, const Call& call) {
  const auto* x = static_cast<const From*>(call.tensors[0].data);
  auto* y = static_cast<To*>(call.tensors[1].data);
  const bool truth = call.tensors[1].type == ASCRIBE_CUDA_BOOL;
  return overElements(stream, countOf(call.tensors[1]), [=] __device__(int64_t i) { y[i] = truth ? static_cast<To>(x[i] != From(0)) : static_cast<To>(x[i]); });
}
template <class From>
int castFrom(Stream& stream, const Call& call) {
  switch (call.tensors[1].type) {
    case ASCRIBE_CUDA_F32: return castAs<From, float>(stream, call);
    case ASCRIBE_CUDA_I64: return castAs<From, int64_t>(stream, call);
    case ASCRIBE_CUDA_I32: return castAs<From, int32_t>(stream, call);
    default: return castAs<From, uint8_t>(stream, call);
  }
}
inline int runCast(Stream& stream, const Call& call) {
  switch (call.tensors[0].type) {
    case ASCRIBE_CUDA_F32: return castFrom<float>(stream, call);
    case ASCRIBE_CUDA_I64: return castFrom<int64_t>(stream, call);
    case ASCRIBE_CUDA_I32: return castFrom<int32_t>(stream, call);
    default: return castFrom<uint8_t>(stream, call);
  }
}

/// Kernels cannot throw: the fault is read when the stream is waited for.
__device__ inline int64_t placeOf(int64_t index, int64_t size, AscribeCudaFault* fault) {
  if (index < -size || index >= size) {
    fault->value = index;
    fault->bound = size;
    fault->kind = 1;
    return 0;
  }
  return index < 0 ? index + size : index;
}
template <class T, class I>
int gatherAs(Stream& stream, const Call& call) {
  const auto* data = static_cast<const T*>(call.tensors[0].data);
  const auto* indices = static_cast<const I*>(call.tensors[1].data);
  auto* out = static_cast<T*>(call.tensors[2].data);
  const int64_t outer = call.integers[0], size = call.integers[1], inner = call.integers[2], count = countOf(call.tensors[1]);
  AscribeCudaFault* fault = stream.deviceFault;
  return overElements(stream, outer * count * inner, [=] __device__(int64_t i) {
    const int64_t within = i % inner, row = i / inner, at = row % count;
    out[i] = data[(row / count * size + placeOf(indices[at], size, fault)) * inner + within];
  });
}
inline int runGather(Stream& stream, const Call& call) {
  return bySize(call.tensors[0].size, [&](auto zero) {
    using T = decltype(zero);
    return call.tensors[1].type == ASCRIBE_CUDA_I64 ? gatherAs<T, int64_t>(stream, call) : gatherAs<T, int32_t>(stream, call);
  });
}
/// One thread an element of a row goes through the indices in order: sums that meet in one place have one order.
template <class I>
int gatherGradientAs(Stream& stream, const Call& call) {
  const auto* g = static_cast<const float*>(call.tensors[0].data);
  const auto* indices = static_cast<const I*>(call.tensors[1].data);
  auto* out = static_cast<float*>(call.tensors[2].data);
  const int64_t outer = call.integers[0], size = call.integers[1], inner = call.integers[2], count = countOf(call.tensors[1]);
  AscribeCudaFault* fault = stream.deviceFault;
  const int64_t all = call.integers[3] * outer;
  if (const int status = overElements(stream, all * size * inner, [=] __device__(int64_t i) { out[i] = 0; })) return status;
  return overElements(stream, all * inner, [=] __device__(int64_t i) {
    const int64_t within = i % inner, block = i / inner;
    for (int64_t j = 0; j < count; ++j) out[(block * size + placeOf(indices[j], size, fault)) * inner + within] += g[(block * count + j) * inner + within];
  });
}
inline int runGatherGradient(Stream& stream, const Call& call) {
  return call.tensors[1].type == ASCRIBE_CUDA_I64 ? gatherGradientAs<int64_t>(stream, call) : gatherGradientAs<int32_t>(stream, call);
}

/// Indices and out of one shape; the data's strides over it, 0 along the axis of i0 elements, each i1 from the next.
template <class T, class I>
int gatherElementsAs(Stream& stream, const Call& call) {
  const Tensor& from = call.tensors[0];
  const auto* data = static_cast<const T*>(from.data);
  const auto* indices = static_cast<const I*>(call.tensors[1].data);
  auto* out = static_cast<T*>(call.tensors[2].data);
  const Walk<1> walk(from.dims, from.rank, {from.strides});
  const int64_t size = call.integers[0], step = call.integers[1];
  AscribeCudaFault* fault = stream.deviceFault;
  return overElements(stream, countOf(call.tensors[1]), [=] __device__(int64_t i) {
    int64_t at[1];
    walk.at(i, at);
    out[i] = data[at[0] + placeOf(indices[i], size, fault) * step];
  });
}
inline int runGatherElements(Stream& stream, const Call& call) {
  return bySize(call.tensors[0].size, [&](auto zero) {
    using T = decltype(zero);
    return call.tensors[1].type == ASCRIBE_CUDA_I64 ? gatherElementsAs<T, int64_t>(stream, call) : gatherElementsAs<T, int32_t>(stream, call);
  });
}
/// Indices [i2, i3, i4] around the axis, which has i0 elements of the data; the data's strides over the indices' axes but
/// that one. Places along the axis are written by one thread, in order.
template <class I>
int gatherElementsGradientAs(Stream& stream, const Call& call) {
  const Tensor& to = call.tensors[2];
  const auto* g = static_cast<const float*>(call.tensors[0].data);
  const auto* indices = static_cast<const I*>(call.tensors[1].data);
  auto* out = static_cast<float*>(to.data);
  const Walk<1> walk(to.dims, to.rank, {to.strides});
  const int64_t size = call.integers[0], step = call.integers[1], outer = call.integers[2], along = call.integers[3], inner = call.integers[4], cotangents = call.integers[5], count = call.integers[6];
  AscribeCudaFault* fault = stream.deviceFault;
  if (const int status = overElements(stream, cotangents * count, [=] __device__(int64_t i) { out[i] = 0; })) return status;
  return overElements(stream, cotangents * outer * inner, [=] __device__(int64_t i) {
    const int64_t within = i % inner, block = i / inner, place = block % outer * inner + within;
    int64_t at[1];
    walk.at(place, at);
    float* row = out + block / outer * count + at[0];
    for (int64_t j = 0; j < along; ++j) row[placeOf(indices[(block % outer * along + j) * inner + within], size, fault) * step] += g[(block * along + j) * inner + within];
  });
}
inline int runGatherElementsGradient(Stream& stream, const Call& call) {
  return call.tensors[1].type == ASCRIBE_CUDA_I64 ? gatherElementsGradientAs<int64_t>(stream, call) : gatherElementsGradientAs<int32_t>(stream, call);
}

}  // namespace ascribe::cuda
