#pragma once
#include "kernels/cuda/append.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_rows.h"
#include "kernels/cuda/convolution.h"
#include "kernels/cuda/convolution_weights.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/interpolate.h"
#include "kernels/cuda/noise.h"
#include "kernels/cuda/pooling.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/rows.h"

namespace ascribe::cuda {

inline int runCall(Stream& stream, const Call& call) {
  if (stream.status != ASCRIBE_OK) return stream.status;
  switch (call.kind) {
    case ASCRIBE_CUDA_UNARY: return runUnary(stream, call);
    case ASCRIBE_CUDA_BINARY: return runBinary(stream, call);
    case ASCRIBE_CUDA_COMPARE: return runCompare(stream, call);
    case ASCRIBE_CUDA_SELECT: return runSelect(stream, call);
    case ASCRIBE_CUDA_COPY: return runCopy(stream, call);
    case ASCRIBE_CUDA_FILL: return runFill(stream, call);
    case ASCRIBE_CUDA_CAST: return runCast(stream, call);
    case ASCRIBE_CUDA_GATHER: return runGather(stream, call);
    case ASCRIBE_CUDA_GATHER_GRADIENT: return runGatherGradient(stream, call);
    case ASCRIBE_CUDA_GATHER_ELEMENTS: return runGatherElements(stream, call);
    case ASCRIBE_CUDA_GATHER_ELEMENTS_GRADIENT: return runGatherElementsGradient(stream, call);
    case ASCRIBE_CUDA_REDUCE: return runReduce(stream, call);
    case ASCRIBE_CUDA_SOFTMAX: return runSoftmax(stream, call);
    case ASCRIBE_CUDA_SOFTMAX_GRADIENT: return runSoftmaxGradient(stream, call);
    case ASCRIBE_CUDA_ROW_NORM: return runRowNorm(stream, call);
    case ASCRIBE_CUDA_ROW_NORM_GRADIENT: return runRowNormGradient(stream, call);
    case ASCRIBE_CUDA_BATCH_NORM: return runBatchNorm(stream, call);
    case ASCRIBE_CUDA_POOL: return runPool(stream, call);
    case ASCRIBE_CUDA_POOL_GRADIENT: return runPoolGradient(stream, call);
    case ASCRIBE_CUDA_PRODUCT: return runProductCall(stream, call);
    case ASCRIBE_CUDA_CONVOLUTION: return runConvolution(stream, call);
    case ASCRIBE_CUDA_CONVOLUTION_DATA: return runConvolutionData(stream, call);
    case ASCRIBE_CUDA_CONVOLUTION_WEIGHTS: return runConvolutionWeights(stream, call);
    case ASCRIBE_CUDA_ATTENTION: return runAttention(stream, call);
    case ASCRIBE_CUDA_ATTENTION_GRADIENT: return runAttentionGradient(stream, call);
    case ASCRIBE_CUDA_ATTENTION_ROWS: return runAttentionRows(stream, call);
    case ASCRIBE_CUDA_APPEND: return runAppend(stream, call);
    case ASCRIBE_CUDA_INTERPOLATE: return runInterpolate(stream, call);
    case ASCRIBE_CUDA_ADD_NOISE: return runAddNoise(stream, call);
    default: return fail(stream, "a call", "of a kind that this library does not know");
  }
}

inline uint64_t scratchBytes(const Call* call) {
  switch (call->kind) {
    case ASCRIBE_CUDA_PRODUCT: return productScratch(*call);
    case ASCRIBE_CUDA_CONVOLUTION: return convolutionScratch(*call);
    case ASCRIBE_CUDA_CONVOLUTION_DATA: return convolutionDataScratch(*call);
    case ASCRIBE_CUDA_CONVOLUTION_WEIGHTS: return convolutionWeightsScratch(*call);
    case ASCRIBE_CUDA_ATTENTION:
    case ASCRIBE_CUDA_ATTENTION_GRADIENT: return attentionScratch(*call);
    case ASCRIBE_CUDA_ATTENTION_ROWS: return attentionRowsScratch(*call);
    default: return 0;
  }
}

/// Takes the stream's failure, and a fault that a kernel left: the status, and why.
inline int takeFailure(Stream& stream, char* message, size_t bytes) {
  int status = stream.status;
  if (status != ASCRIBE_OK) std::snprintf(message, bytes, "%s", stream.message);
  else if (stream.fault->kind != 0) {
    explainFault(*stream.fault, message, bytes);
    status = ASCRIBE_INVALID;
  }
  stream.status = ASCRIBE_OK;
  stream.fault->kind = 0;
  return status;
}

}  // namespace ascribe::cuda
