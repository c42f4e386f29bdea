#pragma once
#include "kernels/backend_abi.h"
#include "kernels/onednn/compat.h"

namespace ascribe::onednn {

/// The process's one CPU engine, and the calling thread's stream.
dnnl_engine_t engine();
dnnl_stream_t stream();

/// An operation as oneDNN sees it.
struct Operation {
  PrimitiveDesc desc;
  Primitive primitive;
  /// The plain row-major form of an operand in the primitive's own axes (grouped weights have one more).
  Desc plain(int operand) const;
  /// What the primitive expects; null for an operand that it does not have.
  DescView expected(int operand) const;

  /// The residual operand's descriptor, which no primitive reports.
  Desc residual() const;
  /// `operand` of another description, in the format that it names there.
  Desc inFormat(const AscribeOperation& other, int operand) const;

  AscribeOperation description{};
  int query(int operand) const;
  int argument(int operand) const;
};

/// Throws Refused where oneDNN has no implementation, or only its slow reference one. Operands whose format is free
/// get that of `like`, if given.
Operation makeOperation(const AscribeOperation& description, const Operation* like = nullptr);

}  // namespace ascribe::onednn
