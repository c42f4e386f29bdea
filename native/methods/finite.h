#pragma once
#include "runtime/execution.h"

namespace ascribe {

/// True where no output holds NaN or infinity.
bool outputsFinite(const Execution& execution);

}  // namespace ascribe
