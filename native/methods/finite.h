#pragma once
#include "runtime/execution.h"

namespace ascribe {

/// True where no output holds NaN or infinity.
bool outputsFinite(const Execution& execution);

/// What a job asks after every pass of a plan: a pass that made NaN or infinity runs once more, traced, so that the error
/// names the node. Where no node is to blame it came in with the inputs or weights and will again: then no more is asked.
class FiniteGuard {
 public:
  explicit FiniteGuard(bool isOn) : isOn_(isOn) {}
  /// False where the pass must run once more.
  bool accepts(Execution& execution);

 private:
  bool isOn_, tracing_ = false;
};

}  // namespace ascribe
