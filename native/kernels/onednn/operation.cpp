#include "kernels/onednn/operation.h"

#include <algorithm>
#include <cstring>

namespace ascribe::onednn {
namespace {

bool isConvolution(int kind) {
  return kind >= ASCRIBE_CONVOLUTION && kind <= ASCRIBE_CONVOLUTION_WEIGHTS;
}
bool isPooling(int kind) {
  return kind >= ASCRIBE_MAX_POOL && kind <= ASCRIBE_AVERAGE_POOL_GRADIENT;
}

/// Which operand holds convolution weights (or their gradient).
int weightsOperand(const AscribeOperation& o) {
  if (!isConvolution(o.kind)) return -1;
  return o.kind == ASCRIBE_CONVOLUTION_WEIGHTS ? ASCRIBE_RESULT : ASCRIBE_SECOND;
}

const AscribeTensor& tensorOf(const AscribeOperation& o, int operand) {
  switch (operand) {
    case ASCRIBE_FIRST:
      return o.first;
    case ASCRIBE_SECOND:
      return o.second;
    case ASCRIBE_BIAS:
      return o.bias;
    case ASCRIBE_RESIDUAL:
      return o.residual;
    default:
      return o.result;
  }
}

dnnl_format_tag_t tagOf(int format, int rank) {
  constexpr dnnl_format_tag_t last[] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
  constexpr dnnl_format_tag_t eight[] = {dnnl_nCw8c, dnnl_nChw8c, dnnl_nCdhw8c};
  constexpr dnnl_format_tag_t sixteen[] = {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c};
  if (format == ASCRIBE_FORMAT_ANY) return dnnl_format_tag_any;
  if (rank < 3 || rank > 5)
    throw Refused("a channel layout needs one to three spatial axes", dnnl_invalid_arguments);
  if (format == ASCRIBE_FORMAT_CHANNELS_LAST) return last[rank - 3];
  if (format == ASCRIBE_FORMAT_BLOCKED8) return eight[rank - 3];
  if (format == ASCRIBE_FORMAT_BLOCKED16) return sixteen[rank - 3];
  throw Refused("unknown format", dnnl_invalid_arguments);
}

/// Dims and strides in oneDNN's axes: weights of a grouped convolution get the group as an axis of its own.
struct Axes {
  int rank = 0;
  dnnl_dims_t dims{}, strides{};
};

Axes axesOf(const AscribeTensor& t, int64_t groups) {
  if (t.rank < 1 || t.rank > ASCRIBE_MAX_RANK) throw Refused("rank", dnnl_invalid_arguments);
  Axes a;
  if (groups > 1) {
    if (t.dims[0] % groups != 0) throw Refused("groups do not divide the channels", dnnl_invalid_arguments);
    a.dims[0] = groups;
    a.strides[0] = t.strides[0] * (t.dims[0] / groups);
    a.rank = 1;
  }
  for (int i = 0; i < t.rank; ++i) {
    a.dims[a.rank] = i == 0 && groups > 1 ? t.dims[0] / groups : t.dims[i];
    a.strides[a.rank++] = t.strides[i];
  }
  return a;
}

int64_t groupsFor(const AscribeOperation& o, int operand) {
  return operand == weightsOperand(o) ? std::max(o.groups, 1) : 1;
}

dnnl_data_type_t elementOf(const AscribeTensor& t) {
  if (t.element != ASCRIBE_F32 && t.element != ASCRIBE_BF16) throw Refused("unknown element", dnnl_invalid_arguments);
  return t.element == ASCRIBE_BF16 ? dnnl_bf16 : dnnl_f32;
}

Desc descOf(const AscribeOperation& o, int operand, bool free = false) {
  const AscribeTensor& t = tensorOf(o, operand);
  if (t.rank == 0) return {};
  const Axes a = axesOf(t, groupsFor(o, operand));
  const dnnl_data_type_t element = elementOf(t);
  if (free) return Desc::tagged(a.rank, a.dims, dnnl_format_tag_any, element);
  return t.format == ASCRIBE_FORMAT_STRIDED ? Desc::strided(a.rank, a.dims, a.strides, element)
                                            : Desc::tagged(a.rank, a.dims, tagOf(t.format, t.rank), element);
}

WindowArgs windowOf(const AscribeOperation& o) {
  const bool pooling = isPooling(o.kind);
  // The larger and the smaller side of the window.
  const AscribeTensor& in = o.kind == ASCRIBE_CONVOLUTION_DATA || o.kind == ASCRIBE_MAX_POOL_GRADIENT ||
                                    o.kind == ASCRIBE_AVERAGE_POOL_GRADIENT
                                ? o.result
                                : o.first;
  const AscribeTensor& out = &in == &o.result                        ? o.first
                             : o.kind == ASCRIBE_CONVOLUTION_WEIGHTS ? o.second
                                                                     : o.result;
  const AscribeTensor& weights = tensorOf(o, std::max(weightsOperand(o), 0));
  WindowArgs a;
  for (int i = 0; i + 2 < in.rank && i < 3; ++i) {
    const int64_t kernel = pooling ? o.kernel[i] : weights.dims[i + 2];
    a.kernel[i] = kernel;
    a.strides[i] = o.strides[i];
    a.dilations[i] = o.dilations[i] - 1;
    a.padBegin[i] = o.pad_begin[i];
    // oneDNN wants the padding that makes the sizes come out; ours may stop short of it (floor) or beyond
    // (ceil).
    a.padEnd[i] = (out.dims[i + 2] - 1) * o.strides[i] + (kernel - 1) * o.dilations[i] + 1 - in.dims[i + 2] -
                  o.pad_begin[i];
  }
  return a;
}

PostOps postOpsOf(const AscribeOperation& o, const Desc& residual) {
  dnnl_post_ops_t made = nullptr;
  check(dnnl_post_ops_create(&made), "post-operations");
  PostOps ops(made);
  if (o.post_op_count < 0 || o.post_op_count > ASCRIBE_MAX_POST_OPS)
    throw Refused("post-operations", dnnl_invalid_arguments);
  for (int i = 0; i < o.post_op_count; ++i) {
    const AscribePostOp& op = o.post_ops[i];
    if (op.kind == ASCRIBE_POST_RELU) {
      appendEltwise(made, dnnl_eltwise_relu, op.alpha, 0);
    } else if (op.kind == ASCRIBE_POST_CLIP) {
      appendEltwise(made, dnnl_eltwise_clip, op.alpha, op.beta);
    } else if (op.kind == ASCRIBE_POST_SILU) {
      appendEltwise(made, dnnl_eltwise_swish, 1, 0);
    } else if (op.kind == ASCRIBE_POST_SUM) {
      appendSum(made);
    } else if (op.kind == ASCRIBE_POST_ADD) {
      check(dnnl_post_ops_append_binary(made, dnnl_binary_add, residual.view()), "residual");
    } else {
      throw Refused("unknown post-operation", dnnl_invalid_arguments);
    }
  }
  return ops;
}

Attributes attributesOf(const AscribeOperation& o) {
  dnnl_primitive_attr_t made = nullptr;
  check(dnnl_primitive_attr_create(&made), "attributes");
  Attributes attributes(made);
  // Ours to plan and to count, and what makes concurrent execution safe.
  check(dnnl_primitive_attr_set_scratchpad_mode(made, dnnl_scratchpad_mode_user), "scratch mode");
  if (o.post_op_count > 0) {
    const Desc residual = descOf(o, ASCRIBE_RESIDUAL);
    const PostOps ops = postOpsOf(o, residual);
    check(dnnl_primitive_attr_set_post_ops(made, ops.get()), "post-operations");
  }
  return attributes;
}

dnnl_alg_kind_t poolingKind(const AscribeOperation& o) {
  if (o.kind == ASCRIBE_MAX_POOL || o.kind == ASCRIBE_MAX_POOL_GRADIENT) return dnnl_pooling_max;
  // The two names are the same in 2.x and 3.x.
  return o.count_padding ? dnnl_pooling_avg_include_padding : dnnl_pooling_avg_exclude_padding;
}

PrimitiveDesc primitiveDescOf(const AscribeOperation& o, const Operation* like) {
  const Attributes attributes = attributesOf(o);
  const WindowArgs window = isConvolution(o.kind) || isPooling(o.kind) ? windowOf(o) : WindowArgs{};
  const Desc first = descOf(o, ASCRIBE_FIRST), second = descOf(o, ASCRIBE_SECOND),
             bias = descOf(o, ASCRIBE_BIAS), result = descOf(o, ASCRIBE_RESULT);
  const auto free = [&](int operand) {
    return like != nullptr && tensorOf(o, operand).format == ASCRIBE_FORMAT_ANY;
  };
  const DescView firstView = free(ASCRIBE_FIRST) ? like->expected(ASCRIBE_FIRST) : first.view(),
                 secondView = free(ASCRIBE_SECOND) ? like->expected(ASCRIBE_SECOND) : second.view(),
                 resultView = free(ASCRIBE_RESULT) ? like->expected(ASCRIBE_RESULT) : result.view();
  dnnl_engine_t e = engine();
  switch (o.kind) {
    case ASCRIBE_CONVOLUTION:
      return convolutionForward(e, firstView, secondView, bias.view(), resultView, window, attributes.get(),
                                o.winograd ? dnnl_convolution_winograd : dnnl_convolution_direct);
    case ASCRIBE_CONVOLUTION_DATA: {
      // The hint only tells which forward pass it belongs to; its formats are free.
      AscribeOperation forward = o;
      forward.result.element = o.second.element;
      const Desc x = descOf(forward, ASCRIBE_RESULT, true), w = descOf(o, ASCRIBE_SECOND, true),
                 y = descOf(o, ASCRIBE_FIRST, true);
      const auto hint = convolutionForward(e, x.view(), w.view(), nullptr, y.view(), window, nullptr);
      return convolutionData(e, resultView, secondView, firstView, window, hint.get(),
                             attributes.get());
    }
    case ASCRIBE_CONVOLUTION_WEIGHTS: {
      const Desc x = descOf(o, ASCRIBE_FIRST, true), w = descOf(o, ASCRIBE_RESULT, true),
                 y = descOf(o, ASCRIBE_SECOND, true);
      const auto hint = convolutionForward(e, x.view(), w.view(), nullptr, y.view(), window, nullptr);
      return convolutionWeights(e, firstView, resultView, secondView, window, hint.get(),
                                attributes.get());
    }
    case ASCRIBE_MATMUL:
      return matrixProduct(e, firstView, secondView, bias.view(), resultView, attributes.get());
    case ASCRIBE_MAX_POOL:
    case ASCRIBE_AVERAGE_POOL:
      return poolingForward(e, o.training != 0, poolingKind(o), firstView, resultView, window,
                            attributes.get());
    case ASCRIBE_MAX_POOL_GRADIENT:
    case ASCRIBE_AVERAGE_POOL_GRADIENT: {
      // With the gradient's formats, so that the workspace is the one which the forward pass wrote.
      const auto hint = poolingForward(e, true, poolingKind(o), resultView, firstView, window, nullptr);
      return poolingBackward(e, poolingKind(o), resultView, firstView, window, hint.get(),
                             attributes.get());
    }
    case ASCRIBE_REORDER:
      return reorder(e, firstView, resultView, attributes.get());
    default:
      throw Refused("unknown operation", dnnl_invalid_arguments);
  }
}

}  // namespace

dnnl_engine_t engine() {
  static const dnnl_engine_t only = [] {
    dnnl_engine_t made = nullptr;
    check(dnnl_engine_create(&made, dnnl_cpu, 0), "engine");
    return made;
  }();
  return only;
}

dnnl_stream_t stream() {
  thread_local const Owned<dnnl_stream_t, dnnl_stream_destroy> own = [] {
    dnnl_stream_t made = nullptr;
    check(dnnl_stream_create(&made, engine(), dnnl_stream_in_order), "stream");
    return Owned<dnnl_stream_t, dnnl_stream_destroy>(made);
  }();
  return own.get();
}

int Operation::query(int operand) const {
  const int kind = description.kind;
  switch (operand) {
    case ASCRIBE_FIRST:
      return kind == ASCRIBE_CONVOLUTION_DATA || kind == ASCRIBE_MAX_POOL_GRADIENT ||
                     kind == ASCRIBE_AVERAGE_POOL_GRADIENT
                 ? dnnl_query_diff_dst_md
                 : dnnl_query_src_md;
    case ASCRIBE_SECOND:
      return kind == ASCRIBE_CONVOLUTION_WEIGHTS ? dnnl_query_diff_dst_md : dnnl_query_weights_md;
    case ASCRIBE_BIAS:
      return dnnl_query_weights_md;
    case ASCRIBE_RESULT:
      if (kind == ASCRIBE_CONVOLUTION_WEIGHTS) return dnnl_query_diff_weights_md;
      return kind == ASCRIBE_CONVOLUTION_DATA || kind == ASCRIBE_MAX_POOL_GRADIENT ||
                     kind == ASCRIBE_AVERAGE_POOL_GRADIENT
                 ? dnnl_query_diff_src_md
                 : dnnl_query_dst_md;
    case ASCRIBE_SCRATCH:
      return dnnl_query_scratchpad_md;
    default:
      return dnnl_query_workspace_md;
  }
}

int Operation::argument(int operand) const {
  if (description.kind == ASCRIBE_REORDER) return operand == ASCRIBE_FIRST ? DNNL_ARG_FROM : DNNL_ARG_TO;
  if (operand == ASCRIBE_RESIDUAL) {
    for (int i = 0; i < description.post_op_count; ++i) {
      if (description.post_ops[i].kind == ASCRIBE_POST_ADD)
        return DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1;
    }
  }
  switch (query(operand)) {
    case dnnl_query_src_md:
      return DNNL_ARG_SRC;
    case dnnl_query_weights_md:
      return operand == ASCRIBE_BIAS ? DNNL_ARG_BIAS : DNNL_ARG_WEIGHTS;
    case dnnl_query_dst_md:
      return DNNL_ARG_DST;
    case dnnl_query_diff_src_md:
      return DNNL_ARG_DIFF_SRC;
    case dnnl_query_diff_dst_md:
      return DNNL_ARG_DIFF_DST;
    case dnnl_query_diff_weights_md:
      return DNNL_ARG_DIFF_WEIGHTS;
    case dnnl_query_scratchpad_md:
      return DNNL_ARG_SCRATCHPAD;
    default:
      return DNNL_ARG_WORKSPACE;
  }
}

DescView Operation::expected(int operand) const {
  if (operand < ASCRIBE_FIRST || operand >= ASCRIBE_OPERAND_COUNT || operand == ASCRIBE_RESIDUAL)
    return nullptr;
  if (operand < ASCRIBE_SCRATCH && tensorOf(description, operand).rank == 0) return nullptr;
  const auto what = static_cast<dnnl_query_t>(query(operand));
  const DescView view = dnnl_primitive_desc_query_md(desc.get(), what, operand == ASCRIBE_BIAS ? 1 : 0);
  return view != nullptr && dnnl_memory_desc_get_size(view) > 0 ? view : nullptr;
}

Desc Operation::plain(int operand) const {
  AscribeTensor t = tensorOf(description, operand);
  int64_t stride = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    t.strides[i] = stride;
    stride *= t.dims[i];
  }
  const Axes a = axesOf(t, groupsFor(description, operand));
  return Desc::strided(a.rank, a.dims, a.strides, dnnl_f32);
}

Desc Operation::residual() const {
  return descOf(description, ASCRIBE_RESIDUAL);
}
Desc Operation::inFormat(const AscribeOperation& other, int operand) const {
  return descOf(other, operand);
}

Operation makeOperation(const AscribeOperation& description, const Operation* like) {
  Operation o;
  o.description = description;
  o.desc = primitiveDescOf(description, like);
  const char* name = nullptr;
  check(dnnl_primitive_desc_query(o.desc.get(), dnnl_query_impl_info_str, 0, &name), "implementation name");
  // The fallback loops of oneDNN are slower than our own kernels.
  if (std::strncmp(name, "ref", 3) == 0 || std::strcmp(name, "simple:any") == 0)
    throw Refused(name, dnnl_unimplemented);
  dnnl_primitive_t made = nullptr;
  check(dnnl_primitive_create(&made, o.desc.get()), "primitive");
  o.primitive.reset(made);
  return o;
}

}  // namespace ascribe::onednn
