#pragma once
#include "op_cases/op_case.h"

namespace ascribe::test {

/// The case on every backend that takes it, at every instruction set, on one and three threads, twice, with and
/// without operands known in advance: against the reference in double (integers and booleans exactly), bit-equal
/// between the runs, and inside its buffers.
void checkBackends(const OpCase& test);

}  // namespace ascribe::test
