#pragma once
#include <algorithm>
#include <cstddef>

#include "runtime/parallel.h"

namespace ascribe::cpu {

/// Runs body(item, slotScratch) for every item, items dealt in runs to `threads` slots of scratch.
template <class Body>
void overSlots(int64_t items, int threads, size_t slotBytes, std::byte* scratch, Body&& body) {
  const int64_t slots = std::max<int64_t>(1, std::min<int64_t>(threads, items));
  parallelFor(slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t i = items * slot / slots; i < items * (slot + 1) / slots; ++i)
        body(i, scratch + static_cast<size_t>(slot) * slotBytes);
  });
}

}  // namespace ascribe::cpu
