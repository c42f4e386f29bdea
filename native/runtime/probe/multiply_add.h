#pragma once
#include <cstdint>

namespace ascribe {

/// Does `rounds` rounds of independent vector multiply-adds and returns the floating-point operations done. The
/// sum is given back so that nothing is optimised away.
struct MultiplyAdd {
  double (*run)(int64_t rounds, float* sum);
};
extern const MultiplyAdd multiplyAddBaseline, multiplyAddNeon, multiplyAddAvx2, multiplyAddAvx512, multiplyAddAvx512Bf16;

}  // namespace ascribe
