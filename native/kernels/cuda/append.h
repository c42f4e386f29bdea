#pragma once
#include "kernels/cuda/index.h"

// The caches of text generation: what is new goes where the session says.
namespace ascribe::cuda {

template <class T, class I>
int appendRows(Stream& stream, const Call& call) {
  const auto* from = static_cast<const T*>(call.tensors[1].data);
  const auto* position = static_cast<const I*>(call.tensors[2].data);
  auto* to = static_cast<T*>(call.tensors[3].data);
  const int64_t outer = call.integers[0], whole = call.integers[1], inner = call.integers[2], part = call.integers[3];
  AscribeCudaFault* fault = stream.deviceFault;
  return overElements(stream, outer * part * inner, [=] __device__(int64_t i) {
    const auto at = static_cast<int64_t>(*position);
    if (at < 0 || at > whole - part) {
      fault->value = at;
      fault->bound = whole;
      fault->size = part;
      fault->kind = 2;
      return;
    }
    const int64_t block = i / (part * inner);
    to[(block * whole + at) * inner + i - block * part * inner] = from[i];
  });
}
template <class I>
int appendAs(Stream& stream, const Call& call) {
  switch (call.tensors[3].size) {
    case 1: return appendRows<uint8_t, I>(stream, call);
    case 2: return appendRows<uint16_t, I>(stream, call);
    case 4: return appendRows<uint32_t, I>(stream, call);
    default: return appendRows<uint64_t, I>(stream, call);
  }
}
/// state, x, position, out
inline int runAppend(Stream& stream, const Call& call) {
  const auto* state = static_cast<const uint8_t*>(call.tensors[0].data);
  auto* out = static_cast<uint8_t*>(call.tensors[3].data);
  const int64_t bytes = call.integers[0] * call.integers[1] * call.integers[2] * call.tensors[3].size;
  if (out != state)
    if (const int status = overElements(stream, bytes, [=] __device__(int64_t i) { out[i] = state[i]; })) return status;
  return call.tensors[2].type == ASCRIBE_CUDA_I64 ? appendAs<int64_t>(stream, call) : appendAs<int32_t>(stream, call);
}

}  // namespace ascribe::cuda
