#pragma once
#include "kernels/backend_abi.h"
#include "runtime/backend_library.h"

namespace ascribe {

/// oneDNN's table, opened on first use; nullptr where there is none. Its regions run on the calling
/// lane's threads. Safe from several threads.
const AscribeOnednnTable* onednn();

/// Opens it if nobody has, and says what was found.
const BackendReport& onednnReport();

}  // namespace ascribe
