#pragma once
#include <oneapi/dnnl/dnnl.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

// The only file that knows that oneDNN 2.x and 3.x differ: 2.x has memory descriptors by value and operation
// descriptors, 3.x has opaque ones and creates primitive descriptors directly.
namespace ascribe::onednn {

/// A call that oneDNN refused; never leaves this library.
struct Refused : std::runtime_error {
  Refused(const char* what, dnnl_status_t status)
      : std::runtime_error(std::string(what) + ": oneDNN status " + std::to_string(static_cast<int>(status))),
        status(status) {}
  dnnl_status_t status;
};

inline void check(dnnl_status_t status, const char* what) {
  if (status != dnnl_success) throw Refused(what, status);
}

template <class Handle, auto destroy>
struct Destroy {
  void operator()(Handle handle) const { destroy(handle); }
};
template <class Handle, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<Handle, destroy>>;

using PrimitiveDesc = Owned<dnnl_primitive_desc_t, dnnl_primitive_desc_destroy>;
using Primitive = Owned<dnnl_primitive_t, dnnl_primitive_destroy>;
using Attributes = Owned<dnnl_primitive_attr_t, dnnl_primitive_attr_destroy>;
using PostOps = Owned<dnnl_post_ops_t, dnnl_post_ops_destroy>;
using Memory = Owned<dnnl_memory_t, dnnl_memory_destroy>;

#if DNNL_VERSION_MAJOR >= 3
using DescView = const_dnnl_memory_desc_t;

class Desc {
 public:
  Desc() = default;
  static Desc strided(int rank, const dnnl_dims_t dims, const dnnl_dims_t strides, dnnl_data_type_t element) {
    dnnl_memory_desc_t made = nullptr;
    check(dnnl_memory_desc_create_with_strides(&made, rank, dims, element, strides), "memory descriptor");
    return Desc(made);
  }
  static Desc tagged(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag, dnnl_data_type_t element) {
    dnnl_memory_desc_t made = nullptr;
    check(dnnl_memory_desc_create_with_tag(&made, rank, dims, element, tag), "memory descriptor");
    return Desc(made);
  }
  DescView view() const { return desc_.get(); }

 private:
  explicit Desc(dnnl_memory_desc_t made) : desc_(made) {}
  Owned<dnnl_memory_desc_t, dnnl_memory_desc_destroy> desc_;
};

inline void appendSum(dnnl_post_ops_t ops) {
  check(dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_f32), "sum");
}
inline void appendEltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha, float beta) {
  check(dnnl_post_ops_append_eltwise(ops, kind, alpha, beta), "activation");
}
#else
using DescView = const dnnl_memory_desc_t*;

class Desc {
 public:
  static Desc strided(int rank, const dnnl_dims_t dims, const dnnl_dims_t strides, dnnl_data_type_t element) {
    Desc made;
    check(dnnl_memory_desc_init_by_strides(&made.desc_, rank, dims, element, strides), "memory descriptor");
    made.present_ = true;
    return made;
  }
  static Desc tagged(int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag, dnnl_data_type_t element) {
    Desc made;
    check(dnnl_memory_desc_init_by_tag(&made.desc_, rank, dims, element, tag), "memory descriptor");
    made.present_ = true;
    return made;
  }
  DescView view() const { return present_ ? &desc_ : nullptr; }

 private:
  dnnl_memory_desc_t desc_{};
  bool present_ = false;
};

inline void appendSum(dnnl_post_ops_t ops) {
  check(dnnl_post_ops_append_sum(ops, 1.0f), "sum");
}
inline void appendEltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha, float beta) {
  check(dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, beta), "activation");
}
#endif

struct WindowArgs {
  dnnl_dims_t kernel{}, strides{}, dilations{}, padBegin{}, padEnd{};  // dilations count from 0
};

#if DNNL_VERSION_MAJOR < 3
inline PrimitiveDesc fromOperation(const_dnnl_op_desc_t operation, const_dnnl_primitive_attr_t attributes,
                                   dnnl_engine_t engine, const_dnnl_primitive_desc_t hint, const char* what) {
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_primitive_desc_create(&made, operation, attributes, engine, hint), what);
  return PrimitiveDesc(made);
}
#endif

inline PrimitiveDesc convolutionForward(dnnl_engine_t engine, DescView x, DescView w, DescView bias,
                                        DescView y, const WindowArgs& a,
                                        const_dnnl_primitive_attr_t attributes,
                                        dnnl_alg_kind_t algorithm = dnnl_convolution_direct) {
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_convolution_forward_primitive_desc_create(&made, engine, dnnl_forward_inference, algorithm, x, w,
                                                       bias, y, a.strides, a.dilations, a.padBegin, a.padEnd,
                                                       attributes),
        "convolution");
  return PrimitiveDesc(made);
#else
  dnnl_convolution_desc_t operation;
  check(dnnl_dilated_convolution_forward_desc_init(&operation, dnnl_forward_inference, algorithm, x, w, bias, y,
                                                   a.strides, a.dilations, a.padBegin, a.padEnd),
        "convolution");
  return fromOperation(&operation, attributes, engine, nullptr, "convolution");
#endif
}

inline PrimitiveDesc convolutionData(dnnl_engine_t engine, DescView dx, DescView w, DescView dy,
                                     const WindowArgs& a, const_dnnl_primitive_desc_t hint,
                                     const_dnnl_primitive_attr_t attributes) {
  constexpr auto direct = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_convolution_backward_data_primitive_desc_create(
            &made, engine, direct, dx, w, dy, a.strides, a.dilations, a.padBegin, a.padEnd, hint, attributes),
        "data gradient");
  return PrimitiveDesc(made);
#else
  dnnl_convolution_desc_t operation;
  check(dnnl_dilated_convolution_backward_data_desc_init(&operation, direct, dx, w, dy, a.strides,
                                                         a.dilations, a.padBegin, a.padEnd),
        "data gradient");
  return fromOperation(&operation, attributes, engine, hint, "data gradient");
#endif
}

inline PrimitiveDesc convolutionWeights(dnnl_engine_t engine, DescView x, DescView dw, DescView dy,
                                        const WindowArgs& a, const_dnnl_primitive_desc_t hint,
                                        const_dnnl_primitive_attr_t attributes) {
  constexpr auto direct = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_convolution_backward_weights_primitive_desc_create(&made, engine, direct, x, dw, nullptr, dy,
                                                                a.strides, a.dilations, a.padBegin, a.padEnd,
                                                                hint, attributes),
        "weight gradient");
  return PrimitiveDesc(made);
#else
  dnnl_convolution_desc_t operation;
  check(dnnl_dilated_convolution_backward_weights_desc_init(&operation, direct, x, dw, nullptr, dy, a.strides,
                                                            a.dilations, a.padBegin, a.padEnd),
        "weight gradient");
  return fromOperation(&operation, attributes, engine, hint, "weight gradient");
#endif
}

inline PrimitiveDesc matrixProduct(dnnl_engine_t engine, DescView a, DescView b, DescView bias, DescView y,
                                   const_dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_matmul_primitive_desc_create(&made, engine, a, b, bias, y, attributes), "matrix product");
  return PrimitiveDesc(made);
#else
  dnnl_matmul_desc_t operation;
  check(dnnl_matmul_desc_init(&operation, a, b, bias, y), "matrix product");
  return fromOperation(&operation, attributes, engine, nullptr, "matrix product");
#endif
}

inline PrimitiveDesc poolingForward(dnnl_engine_t engine, bool training, dnnl_alg_kind_t kind, DescView x,
                                    DescView y, const WindowArgs& a, const_dnnl_primitive_attr_t attributes) {
  const auto pass = training ? dnnl_forward_training : dnnl_forward_inference;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_pooling_forward_primitive_desc_create(&made, engine, pass, kind, x, y, a.strides, a.kernel,
                                                   a.dilations, a.padBegin, a.padEnd, attributes),
        "pooling");
  return PrimitiveDesc(made);
#else
  dnnl_pooling_v2_desc_t operation;
  check(dnnl_pooling_v2_forward_desc_init(&operation, pass, kind, x, y, a.strides, a.kernel, a.dilations,
                                          a.padBegin, a.padEnd),
        "pooling");
  return fromOperation(&operation, attributes, engine, nullptr, "pooling");
#endif
}

inline PrimitiveDesc poolingBackward(dnnl_engine_t engine, dnnl_alg_kind_t kind, DescView dx, DescView dy,
                                     const WindowArgs& a, const_dnnl_primitive_desc_t hint,
                                     const_dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_pooling_backward_primitive_desc_create(&made, engine, kind, dx, dy, a.strides, a.kernel,
                                                    a.dilations, a.padBegin, a.padEnd, hint, attributes),
        "pooling gradient");
  return PrimitiveDesc(made);
#else
  dnnl_pooling_v2_desc_t operation;
  check(dnnl_pooling_v2_backward_desc_init(&operation, kind, dx, dy, a.strides, a.kernel, a.dilations,
                                           a.padBegin, a.padEnd),
        "pooling gradient");
  return fromOperation(&operation, attributes, engine, hint, "pooling gradient");
#endif
}

inline PrimitiveDesc reorder(dnnl_engine_t engine, DescView from, DescView to,
                             const_dnnl_primitive_attr_t attributes) {
  dnnl_primitive_desc_t made = nullptr;
  check(dnnl_reorder_primitive_desc_create(&made, from, engine, to, engine, attributes), "reorder");
  return PrimitiveDesc(made);
}

}  // namespace ascribe::onednn
