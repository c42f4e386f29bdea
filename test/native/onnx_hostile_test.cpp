#include <random>
#include <set>

#include "harness.h"
#include "onnx_writer.h"

using namespace ascribe;
using namespace ascribe::test;

namespace {

/// A model that uses every message and every data field of the format.
std::string exhaustiveModel() {
  const std::string weights = tensor("w", {3}, 1, bytes(9, rawOf(std::vector<float>{1, 2, 3})));
  const std::string attributes =
      bytes(5, bytes(1, "f") + fixed32(2, 0.5f) + number(20, 1)) + bytes(5, bytes(1, "i") + number(3, 7)) +
      bytes(5, bytes(1, "s") + bytes(4, "SAME")) + bytes(5, bytes(1, "t") + bytes(5, weights)) +
      bytes(5, bytes(1, "ints") + bytes(8, varints({1, 2, 300}))) +
      bytes(5, bytes(1, "floats") + bytes(7, rawOf(std::vector<float>{1, 2}))) +
      bytes(5, bytes(1, "g") + bytes(6, bytes(1, bytes(4, "Relu")) + bytes(5, weights)));
  const std::string node = bytes(1, "x") + bytes(2, "y") + bytes(3, "n") + bytes(4, "Conv") + attributes;
  const std::string shape = bytes(1, bytes(2, "N")) + bytes(1, number(1, 3));
  const std::string info = bytes(1, "x") + bytes(2, bytes(1, number(1, 1) + bytes(2, shape)));
  const std::string graph = bytes(1, node) + bytes(2, "graph") + bytes(5, weights) +
                            bytes(5, tensor("i", {2}, 7, bytes(7, varints({5, 600})))) +
                            bytes(5, tensor("h", {2}, 10, number(5, 0x3c00) + number(5, 1))) +
                            bytes(5, tensor("d", {1}, 11, bytes(10, rawOf(std::vector<double>{2})))) +
                            bytes(5, tensor("u", {1}, 13, bytes(11, varints({9})))) + bytes(11, info) +
                            bytes(12, info) +
                            bytes(15, bytes(1, weights) + bytes(2, weights) + bytes(3, varints({3})));
  return model(graph) + bytes(14, bytes(1, "key") + bytes(2, "value")) +
         bytes(25, bytes(1, "fn") + bytes(4, "a") + bytes(7, node) + bytes(9, number(2, 17)));
}

/// Scans; what is not an ascribe::Error of a code for files escapes and fails the test.
bool scansOrRefuses(const std::string& file) {
  static const std::set<std::string> codes{"FILE_CORRUPT", "OUT_OF_MEMORY_BUDGET"};
  onnx::ScanOptions options;
  options.inlineBytes = 8;
  options.maximumBytes = 1 << 20;
  try {
    const auto scan = scanBytes(file, options);
    for (const auto& payload : scan.payloads)
      scan.files.at(payload.file)->range(payload.offset, payload.length);
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(codes.contains(error.code()));
    return false;
  }
}

}  // namespace

TEST(the_exhaustive_model_scans) {
  EXPECT_TRUE(scansOrRefuses(exhaustiveModel()));
}

TEST(truncation_at_every_byte) {
  const std::string whole = exhaustiveModel();
  size_t refused = 0;
  for (size_t length = 0; length < whole.size(); length++)
    refused += scansOrRefuses(whole.substr(0, length)) ? 0 : 1;
  // Only cuts between two fields of the model itself leave a message.
  EXPECT_TRUE(whole.size() - refused < 10);
}

TEST(every_single_bit_flip) {
  const std::string whole = exhaustiveModel();
  for (size_t index = 0; index < whole.size(); index++) {
    for (int bit = 0; bit < 8; bit++) {
      std::string flipped = whole;
      flipped[index] = static_cast<char>(flipped[index] ^ (1 << bit));
      scansOrRefuses(flipped);
    }
  }
}

TEST(huge_lengths_at_every_byte) {
  const std::string whole = exhaustiveModel();
  const std::string huge("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
  for (size_t index = 0; index < whole.size(); index++) {
    scansOrRefuses(whole.substr(0, index) + huge + whole.substr(index + 1));
    scansOrRefuses(whole.substr(0, index) + huge);
  }
}

TEST(random_bytes) {
  std::mt19937 random(17);
  for (int round = 0; round < 20000; round++) {
    std::string file(random() % 200, '\0');
    for (char& byte : file) byte = static_cast<char>(random() % (round % 2 == 0 ? 256 : 64));
    scansOrRefuses(file);
  }
}

TEST(the_message_names_the_offset) {
  std::string file = model(bytes(5, tensor("w", {3}, 1, bytes(9, rawOf(std::vector<float>{1, 2, 3})))));
  file.resize(file.size() - 1);
  try {
    scanBytes(file);
    EXPECT_TRUE(false);
  } catch (const Error& error) {
    // The graph's length is the first that no longer fits; it lies behind 2 + 6 + 6 bytes and its own tag.
    EXPECT_TRUE(std::string(error.what()).find("at byte 15:") != std::string::npos);
  }
}
