#include "dirty_memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace {
unsigned char filling = 0;
}

namespace ascribe::fuzz {
void fillNewMemory(unsigned char byte) { filling = byte; }
}  // namespace ascribe::fuzz

// The engine's blocks below a megabyte come from here, and nothing else does; larger ones are zeroed by the system.
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  const auto align = static_cast<size_t>(alignment);
  void* data = std::aligned_alloc(align, (bytes + align - 1) / align * align);
  if (data != nullptr) std::memset(data, filling, bytes);
  return data;
}
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
