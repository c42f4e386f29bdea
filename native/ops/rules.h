#pragma once
#include "graph/op.h"

/// Shape rules that several op families share.
namespace ascribe::rules {

/// Output 0 has operand 0's type.
void same(InferContext& c);
/// Gradient of an elementwise op: operand 0 is [K, ...S], the saved operands are [...S]; output like operand 0.
void gradientElementwise(InferContext& c);
/// Numpy broadcasting of all operands, dtype of operand 0.
void broadcasting(InferContext& c);
/// Numpy broadcasting, boolean result.
void comparison(InferContext& c);
/// `leading` axes of operand 0 followed by the shape of operand `like`.
Shape likeWithLeading(InferContext& c, int like);
/// The axes of an operand after the attribute `leading`, once likeWithLeading has checked it.
Shape behindLeading(InferContext& c, int operand);

/// Windows of convolutions and poolings.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;  // pads: begins then ends
};
/// Fills omitted lists with ones and zeros, turns autoPad into pads, resolves the attributes.
Window resolveWindow(InferContext& c, const std::vector<int64_t>& kernel, std::span<const int64_t> spatial);
/// Output size along one axis, as ONNX counts it (ceilMode never starts a window in the padding behind).
int64_t windowOutput(const Window& w, size_t axis, int64_t size, bool ceilMode);

inline AttributeSpec integer(std::string name, int64_t fallback) { return {std::move(name), AttributeKind::Integer, Attribute(fallback)}; }
inline AttributeSpec real(std::string name, double fallback) { return {std::move(name), AttributeKind::Real, Attribute(fallback)}; }
inline AttributeSpec text(std::string name, std::string fallback) { return {std::move(name), AttributeKind::Text, Attribute(std::move(fallback))}; }
inline AttributeSpec integers(std::string name) { return {std::move(name), AttributeKind::Integers, Attribute(std::vector<int64_t>{})}; }
inline AttributeSpec reals(std::string name) { return {std::move(name), AttributeKind::Reals, Attribute(std::vector<double>{})}; }
inline AttributeSpec requiredIntegers(std::string name) { return {std::move(name), AttributeKind::Integers, std::nullopt}; }
inline AttributeSpec requiredInteger(std::string name) { return {std::move(name), AttributeKind::Integer, std::nullopt}; }
inline AttributeSpec requiredText(std::string name) { return {std::move(name), AttributeKind::Text, std::nullopt}; }

}  // namespace ascribe::rules
