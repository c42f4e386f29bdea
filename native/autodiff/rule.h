#pragma once
#include "autodiff/calculus.h"
#include "autodiff/vjp.h"

/// What rule files share.
namespace ascribe {

using calculus::Term;

/// The cotangent, an operand and an output as terms.
inline Term cotangent(VjpContext& c, size_t i = 0) { return {&c.b, c.cotangent(i)}; }
inline Term operand(VjpContext& c, size_t i) { return {&c.b, c.input(i)}; }
inline Term result(VjpContext& c, size_t i = 0) { return {&c.b, c.output(i)}; }

/// What was computed with K folded into other axes, as a gradient of operand i again: [K, ...operand].
inline ValueId unfolded(VjpContext& c, Term x, size_t i) {
  return c.b.reshape(x, prepend(c.b.shape(c.cotangent())[0], c.shape(i)));
}

/// The node's attributes of these names, for another node.
inline Attributes pick(const Attributes& from, std::initializer_list<std::string_view> names) {
  Attributes out;
  for (std::string_view name : names)
    if (const Attribute* found = from.find(name)) out.set(name, *found);
  return out;
}

inline std::vector<int64_t> shifted(std::vector<int64_t> axes, int64_t by) {
  for (int64_t& axis : axes) axis += by;
  return axes;
}

/// Puts a rule into the table of true derivatives.
inline void rule(std::string_view op, VjpRule body) { RegisterVjp(op, body); }

}  // namespace ascribe
