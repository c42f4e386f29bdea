#pragma once
#include "op_cases/op_case.h"

namespace ascribe::test {

using Integers = std::vector<int64_t>;

std::vector<OpCase> unaryCases();
std::vector<OpCase> binaryCases();
std::vector<OpCase> gateCases();
std::vector<OpCase> reductionCases();
std::vector<OpCase> viewCases();
std::vector<OpCase> movementCases();
std::vector<OpCase> gatherCases();
std::vector<OpCase> selectionCases();
std::vector<OpCase> productCases();
std::vector<OpCase> convolutionCases();
std::vector<OpCase> normalisationCases();
std::vector<OpCase> softmaxCases();
std::vector<OpCase> attentionTileCases();
std::vector<OpCase> poolingCases();
std::vector<OpCase> resizeCases();
std::vector<OpCase> recurrentCases();
std::vector<OpCase> statefulCases();

}  // namespace ascribe::test
