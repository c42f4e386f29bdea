#pragma once
#include "kernels/backend_abi.h"
#include "runtime/backend_library.h"

namespace ascribe {

/// oneDNN's table, opened on first use; nullptr where there is none. Once opened, its OpenMP team also runs
/// parallelFor. Safe from several threads.
const AscribeOnednnTable* onednn();

/// Opens it if nobody has, and says what was found.
const BackendReport& onednnReport();

}  // namespace ascribe
