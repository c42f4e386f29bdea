#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ascribe {

/// The secure hash of FIPS 180-4 with 256 bits.
class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  /// The digest in hexadecimal. The object is used up.
  std::string finish();

 private:
  void block(const std::byte* bytes);

  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> pending_{};
  size_t pendingBytes_ = 0;
  uint64_t total_ = 0;
};

}  // namespace ascribe
