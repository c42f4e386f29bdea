#pragma once

namespace ascribe {

/// Cores that this process may keep busy: its affinity mask, bounded by the cgroup's CPU quota (rounded up).
/// At least 1.
int usableCores();

}  // namespace ascribe
