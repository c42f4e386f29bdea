#pragma once
#include "kernels/cuda_abi.h"
#include "runtime/backend_library.h"

namespace ascribe {

/// The CUDA backend's table, opened on first use; nullptr where there is none or no device. Safe from several threads.
const AscribeCudaTable* cuda();
/// How many devices it sees.
int cudaDevices();
/// They are GPUs: the emulation that tests run on is used where it is asked for, never because it is there.
bool cudaIsHardware();
/// The device that "auto" names: what ASCRIBE_DEVICE says, else the first GPU, else the CPU.
std::string automaticDevice();

/// Opens it if nobody has, and says what was found.
const BackendReport& cudaReport();

}  // namespace ascribe
