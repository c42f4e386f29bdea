#include "graph/op.h"
#include "kernels/cuda_bridge/cuda_kernel.h"

namespace ascribe::cuda_bridge {
namespace {

/// The grid's second and third sides end at 65535.
constexpr int64_t kMostRows = int64_t{65535} * 32, kMostMatrices = 65535;

struct ProductShape {
  int64_t rows, columns, depth;
};

int activationCode(std::string_view name) {
  if (name == "relu") return ASCRIBE_CUDA_WITH_RELU;
  if (name == "gelu") return ASCRIBE_CUDA_WITH_GELU;
  if (name == "geluTanh") return ASCRIBE_CUDA_WITH_GELU_TANH;
  return name == "silu" ? ASCRIBE_CUDA_WITH_SILU : ASCRIBE_CUDA_NO_ACTIVATION;
}

/// matMul with numpy's promotion and broadcasting of leading axes; fusedMatMul with what goes onto the result.
std::unique_ptr<Kernel> makeProduct(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return nullptr;
  Shape a = s.inputs[0].shape, b = s.inputs[1].shape;
  const bool vectorA = a.rank() == 1, vectorB = b.rank() == 1;
  if (vectorA) a = Shape{1, a[0]};
  if (vectorB) b = Shape{b[0], 1};
  const bool transposeA = s.node.attributes.integer("transposeA") && !vectorA, transposeB = s.node.attributes.integer("transposeB") && !vectorB;
  ProductShape p{transposeA ? a.at(-1) : a.at(-2), transposeB ? b.at(-2) : b.at(-1), transposeA ? a.at(-2) : a.at(-1)};
  const Shape batchA(a.dims().first(static_cast<size_t>(a.rank() - 2))), batchB(b.dims().first(static_cast<size_t>(b.rank() - 2)));
  Shape batch = broadcast(batchA, batchB);
  if (batchB.count() == 1 && batchA.count() == batch.count() && !transposeA) {
    // One right-hand side for all: a single tall product.
    p.rows *= batch.count();
    batch = Shape{};
  }
  if (p.rows > kMostRows || batch.count() > kMostMatrices) return nullptr;
  const auto matrices = [&](const Shape& own, int64_t first, int64_t second, bool transposed, Shape& dims, Strides& strides) {
    dims = batch;
    strides = batch.rank() > 0 ? broadcastStrides(own, batch) : Strides{};
    for (int axis = 0; axis < batch.rank(); ++axis) strides[static_cast<size_t>(axis)] *= first * second;
    dims.push(first);
    dims.push(second);
    strides[static_cast<size_t>(batch.rank())] = transposed ? 1 : second;
    strides[static_cast<size_t>(batch.rank()) + 1] = transposed ? first : 1;
  };
  Shape dimsA, dimsB, dimsOut;
  Strides stridesA, stridesB, stridesOut;
  matrices(batchA, p.rows, p.depth, transposeA, dimsA, stridesA);
  matrices(batchB, p.depth, p.columns, transposeB, dimsB, stridesB);
  matrices(batch, p.rows, p.columns, false, dimsOut, stridesOut);
  PreparedCall call(ASCRIBE_CUDA_PRODUCT);
  call.input(0, s.inputs[0], dimsA, &stridesA).input(1, s.inputs[1], dimsB, &stridesB).output(0, s.outputs[0], dimsOut, &stridesOut);
  call.integers({transposeA, transposeB});
  if (s.node.op->name == "fusedMatMul") {
    for (size_t i = 2; i < 4; ++i)
      if (s.has(i)) call.input(i, s.inputs[i]);
      else call.absent();
    call.call.code = activationCode(s.node.attributes.text("activation"));
  }
  return kernelFrom(s, {call}, 2.0 * static_cast<double>(batch.count()) * static_cast<double>(p.rows * p.columns) * static_cast<double>(p.depth));
}

/// q, k, v, mask? behind `first` operands
PreparedCall attentionCall(const NodeSignature& s, int kind, size_t first) {
  const Shape &q = s.inputs[first].shape, &k = s.inputs[first + 1].shape, &v = s.inputs[first + 2].shape;
  PreparedCall call(kind);
  for (size_t i = 0; i < first + 3; ++i) call.input(i, s.inputs[i]);
  if (s.has(first + 3)) {
    Shape scores = q;
    scores[q.rank() - 1] = k.at(-2);
    const Strides strides = broadcastStrides(s.inputs[first + 3].shape, scores);
    call.input(first + 3, s.inputs[first + 3], scores, &strides);
  } else {
    call.absent();
  }
  call.integers({q.count(0, q.rank() - 2), q.at(-2), k.at(-2), q.at(-1), v.at(-1), s.node.attributes.integer("causal") != 0, first ? s.inputs[0].shape[0] : 1});
  return call.reals(s.node.attributes.real("scale"));
}
bool takesAttention(const NodeSignature& s, size_t first) {
  if (!isF32(s.inputs[first]) || !isSmall(s)) return false;
  for (size_t i = 0; i < first + 3; ++i)
    if (s.inputs[i].shape.count() == 0) return false;
  const Shape &q = s.inputs[first].shape, &k = s.inputs[first + 1].shape;
  return q.at(-2) <= kMostRows && k.at(-2) <= kMostRows;
}
double attentionFlops(const Shape& q, const Shape& k, const Shape& v, double perDepth, double perWidth) {
  return static_cast<double>(q.count(0, q.rank() - 1)) * static_cast<double>(k.at(-2)) * (perDepth * static_cast<double>(q.at(-1)) + perWidth * static_cast<double>(v.at(-1)));
}
std::unique_ptr<Kernel> makeAttention(const NodeSignature& s) {
  if (!takesAttention(s, 0)) return nullptr;
  PreparedCall call = attentionCall(s, ASCRIBE_CUDA_ATTENTION, 0);
  call.output(0, s.outputs[0]);
  return kernelFrom(s, {call}, attentionFlops(s.inputs[0].shape, s.inputs[1].shape, s.inputs[2].shape, 2, 2));
}
std::unique_ptr<Kernel> makeAttentionGradient(const NodeSignature& s) {
  if (!takesAttention(s, 1)) return nullptr;
  PreparedCall call = attentionCall(s, ASCRIBE_CUDA_ATTENTION_GRADIENT, 1);
  for (size_t i = 0; i < 3; ++i) call.output(i, s.outputs[i]);
  return kernelFrom(s, {call}, static_cast<double>(s.inputs[0].shape[0]) * attentionFlops(s.inputs[1].shape, s.inputs[2].shape, s.inputs[3].shape, 6, 4));
}

/// q, k, positions, weights?, mask?
std::unique_ptr<Kernel> makeAttentionRows(const NodeSignature& s) {
  if (!isF32(s.inputs[0]) || !isSmall(s)) return nullptr;
  const Shape &q = s.inputs[0].shape, &k = s.inputs[1].shape;
  if (q[2] > kMostRows || k[2] > kMostRows) return nullptr;
  const Shape scores{q[0], q[1], q[2], k[2]};
  PreparedCall call(ASCRIBE_CUDA_ATTENTION_ROWS);
  for (size_t i = 0; i < 3; ++i) call.input(i, s.inputs[i]);
  if (s.has(3)) call.input(3, s.inputs[3]);
  else call.absent();
  if (s.has(4)) {
    const Strides strides = broadcastStrides(s.inputs[4].shape, scores);
    call.input(4, s.inputs[4], scores, &strides);
  } else {
    call.absent();
  }
  call.output(0, s.outputs[0]);
  const Attributes& attributes = s.node.attributes;
  call.integers({q[0], q[1], q[2], k[1], k[2], q[3], attributes.integer("causal") != 0, attributes.integer("window"), attributes.integer("keepRows") != 0}).reals(attributes.real("scale"));
  return kernelFrom(s, {call}, 2.0 * static_cast<double>(scores.count()) * static_cast<double>(q[3]));
}

const RegisterKernel all[] = {
    RegisterKernel({.op = "matMul", .backend = "cuda", .make = makeProduct}),
    RegisterKernel({.op = "fusedMatMul", .backend = "cuda", .make = makeProduct}),
    RegisterKernel({.op = "attention", .backend = "cuda", .make = makeAttention}),
    RegisterKernel({.op = "attentionGrad", .backend = "cuda", .make = makeAttentionGradient}),
    RegisterKernel({.op = "attentionRows", .backend = "cuda", .make = makeAttentionRows}),
};

}  // namespace
}  // namespace ascribe::cuda_bridge
