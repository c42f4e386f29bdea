#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace ascribe::fuzz {

/// The fuzzer's bytes as a row of choices. Behind the end every choice is 0, so that short inputs describe small graphs.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

  uint8_t next() { return at_ == end_ ? 0 : *at_++; }
  bool atEnd() const { return at_ == end_; }
  /// In [0, limit); of a limit above 256 only the first 256 numbers come.
  size_t below(size_t limit) { return next() % limit; }
  /// True once in `n`, and never where the bytes have ended.
  bool rarely(size_t n) { return below(n) == n - 1; }
  template <class List>
  const auto& pick(const List& list) { return *(std::begin(list) + static_cast<ptrdiff_t>(below(std::size(list)))); }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace ascribe::fuzz
