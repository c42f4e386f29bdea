#pragma once
#include "kernels/backend_abi.h"

/// oneDNN is built for OpenMP, but its regions run on the engine's own threads: this library defines the few functions
/// of the OpenMP runtime that oneDNN calls, and the dynamic linker finds them here before it looks into libgomp. So
/// a lane has one team of threads, with one policy for waiting; libgomp's own, which waits for every thread of a
/// region, loses a time slice whenever some other process has the core that one of them needs.
namespace ascribe::onednn {

/// Who runs regions from now on.
void setRegionRunner(AscribeRegionRunner runner);
/// Threads of the regions that the calling thread opens.
void useThreads(int threads);
/// False where oneDNN was bound to another OpenMP runtime before this library was loaded.
bool oneDnnUsesOurRegions();

}  // namespace ascribe::onednn
