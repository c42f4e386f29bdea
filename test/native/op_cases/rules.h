#pragma once
#include "op_cases/op_case.h"

namespace ascribe::test {

/// What a rule set shares out adds up, in double: contributions to the output's difference from its baseline (deepLift),
/// relevance to the output's (lrp). Nothing is asked of a node that says itself that it does not.
void checkRules(const OpCase& test, const std::string& ruleSet);

}  // namespace ascribe::test
