#pragma once
#include <string_view>

#include "autodiff/rule.h"

namespace ascribe {

/// What passes through a rectifier under the rules that look at the sign of what comes back.
inline Term positiveCotangent(VjpContext& c) { return calculus::apply("relu", cotangent(c)); }

/// ReLU, and a clip (ReLU6), get this rule. Smooth relatives of ReLU, for which the papers define nothing, are refused.
/// All other operations keep their derivative.
inline void rectifierRules(std::string_view ruleSet, VjpRule rectifier) {
  for (const char* name : {"relu", "clip"}) RegisterVjp(name, rectifier, ruleSet);
  for (const char* name : {"gelu", "silu", "mish", "hardSwish", "elu", "celu", "selu", "softplus"})
    RegisterVjp(name, [](VjpContext& c) { c.unsupported("the rule is defined for ReLU alone"); }, ruleSet);
}

}  // namespace ascribe
