#pragma once
#include "op_cases/op_case.h"

namespace ascribe::test {

/// The device "cuda" for tests: a GPU where there is one, else the emulation; null where neither is.
bool hasCuda();

/// The case's CUDA kernel in a queue of the device, twice, in buffers with guards, against the reference in double. A
/// kernel that does not take the case is no failure: the node runs on the host then.
void checkCuda(const OpCase& test);

/// Times of the device's kernels, by events of the host around many launches.
void measureCuda(const OpCase& test);

}  // namespace ascribe::test
