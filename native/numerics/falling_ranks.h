#pragma once
#include <cstdint>

namespace ascribe {

/// Of each score its place in the falling order of all, from 0; among equal ones (0 and -0 are equal) the earlier comes first.
/// Scores are finite: NaN would have a place like any other bit pattern. Places are exact below 2^24.
void fallingRanks(const double* scores, int64_t count, float* ranks);

}  // namespace ascribe
