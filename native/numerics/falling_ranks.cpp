#include "numerics/falling_ranks.h"

#include <algorithm>
#include <bit>
#include <climits>
#include <utility>
#include <vector>

namespace ascribe {

namespace {

/// Bit patterns in the order of falling numbers when they are read as whole numbers.
template <class Word, class Number>
Word fallingPattern(Number score) {
  constexpr Word kSign = Word{1} << (sizeof(Word) * CHAR_BIT - 1);
  // Adding zero makes -0 and 0 one. Negative numbers grow downwards.
  const Word pattern = std::bit_cast<Word>(static_cast<Number>(score + 0));
  return (pattern & kSign) != 0 ? pattern : ~(pattern | kSign);
}

/// Digit by digit, from the least; equal ones stay as they came.
template <class Word, class Number>
void rankByDigits(const double* scores, int64_t count, float* ranks) {
  struct Entry {
    Word pattern;
    uint32_t place;
  };
  constexpr int kDigitBits = 11, kBits = sizeof(Word) * CHAR_BIT, kDigits = (kBits + kDigitBits - 1) / kDigitBits;
  constexpr Word kMask = (Word{1} << kDigitBits) - 1;
  std::vector<Entry> from(static_cast<size_t>(count)), to(static_cast<size_t>(count));
  std::vector<uint32_t> starts(static_cast<size_t>(kDigits) << kDigitBits);
  for (int64_t i = 0; i < count; ++i) {
    const Word pattern = fallingPattern<Word>(static_cast<Number>(scores[i]));
    from[static_cast<size_t>(i)] = {pattern, static_cast<uint32_t>(i)};
    for (int digit = 0; digit < kDigits; ++digit) ++starts[(static_cast<size_t>(digit) << kDigitBits) + static_cast<size_t>((pattern >> (digit * kDigitBits)) & kMask)];
  }
  for (int digit = 0; digit < kDigits; ++digit) {
    uint32_t* start = &starts[static_cast<size_t>(digit) << kDigitBits];
    const auto digitOf = [&](const Entry& entry) { return (entry.pattern >> (digit * kDigitBits)) & kMask; };
    // All are equal here.
    if (std::cmp_equal(start[digitOf(from[0])], count)) continue;
    uint32_t before = 0;
    for (Word value = 0; value <= kMask; ++value) before += std::exchange(start[value], before);
    for (const Entry& entry : from) to[start[digitOf(entry)]++] = entry;
    from.swap(to);
  }
  for (int64_t rank = 0; rank < count; ++rank) ranks[from[static_cast<size_t>(rank)].place] = static_cast<float>(rank);
}

}  // namespace

void fallingRanks(const double* scores, int64_t count, float* ranks) {
  if (count == 0) return;
  const bool areSingle = std::all_of(scores, scores + count, [](double score) { return static_cast<double>(static_cast<float>(score)) == score; });
  if (areSingle) rankByDigits<uint32_t, float>(scores, count, ranks);
  else rankByDigits<uint64_t, double>(scores, count, ranks);
}

}  // namespace ascribe
