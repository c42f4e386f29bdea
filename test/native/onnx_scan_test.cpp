#include <filesystem>
#include <numeric>

#include "harness.h"
#include "onnx_writer.h"
#include "runtime/onnx/tensor.h"

using namespace ascribe;
using namespace ascribe::test;
using onnx::PayloadField;

namespace {

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), -3.5f);
  return values;
}

std::string onlyInitializer(const onnx::ModelScan& scan) {
  return at(scan.skeleton, {7, 5});
}

}  // namespace

TEST(cuts_large_raw_data_out_and_keeps_small) {
  const std::string large = rawOf(ramp(1000));
  const std::string small = rawOf(std::vector<int64_t>{1, -1, 64});
  const auto scan = scanBytes(model(bytes(5, tensor("w", {10, 100}, 1, bytes(9, large))) +
                                    bytes(5, tensor("shape", {3}, 7, bytes(9, small)))));
  REQUIRE(scan.payloads.size() == 1);
  EXPECT_EQ(payloadBytes(scan, 0), large);
  EXPECT_EQ(scan.payloads[0].file, 0u);
  EXPECT_TRUE(scan.payloads[0].field == PayloadField::RawData);
  EXPECT_EQ(numberAt(onlyInitializer(scan), onnx::kOrdinalField), 1);
  EXPECT_EQ(at(onlyInitializer(scan), {8}), std::string("w"));
  EXPECT_EQ(at(onlyInitializer(scan), {9}), std::string("<absent>"));
  EXPECT_TRUE(scan.skeleton.find(small) != std::string::npos);
  EXPECT_TRUE(scan.skeleton.size() < 200);
}

TEST(every_data_field_becomes_stored_elements) {
  struct Case {
    const char* name;
    uint64_t type;
    std::string data;
    std::string stored;
  };
  const std::vector<float> floats{1.5f, -2.f, 3.25f};
  const std::vector<double> doubles{1.5, -2., 1e300};
  const uint64_t minusTwo = static_cast<uint64_t>(int64_t{-2});
  const Case cases[] = {
      {"raw", 1, bytes(9, rawOf(floats)), rawOf(floats)},
      {"float packed", 1, bytes(4, rawOf(floats)), rawOf(floats)},
      {"float unpacked", 1, fixed32(4, 1.5f) + fixed32(4, -2.f) + fixed32(4, 3.25f), rawOf(floats)},
      {"float in pieces", 1, bytes(4, rawOf(std::vector<float>{1.5f})) + fixed32(4, -2.f) + fixed32(4, 3.25f),
       rawOf(floats)},
      {"double", 11, bytes(10, rawOf(doubles)), rawOf(doubles)},
      {"int64 packed", 7, bytes(7, varints({1, minusTwo, 300})), rawOf(std::vector<int64_t>{1, -2, 300})},
      {"int64 unpacked", 7, number(7, 1) + number(7, minusTwo) + number(7, 300),
       rawOf(std::vector<int64_t>{1, -2, 300})},
      {"int32", 6, bytes(5, varints({1, minusTwo, 300})), rawOf(std::vector<int32_t>{1, -2, 300})},
      {"int32 cut to five bytes", 6, bytes(5, varints({1, 0xfffffffe, 300})),
       rawOf(std::vector<int32_t>{1, -2, 300})},
      {"int8", 3, bytes(5, varints({1, minusTwo, 127})), rawOf(std::vector<int8_t>{1, -2, 127})},
      {"uint8", 2, bytes(5, varints({1, 2, 255})), rawOf(std::vector<uint8_t>{1, 2, 255})},
      {"uint16", 4, bytes(5, varints({1, 2, 65535})), rawOf(std::vector<uint16_t>{1, 2, 65535})},
      {"bool", 9, bytes(5, varints({1, 0, 1})), rawOf(std::vector<uint8_t>{1, 0, 1})},
      {"float16 bits", 10, bytes(5, varints({0x3c00, 0xc000, 0})),
       rawOf(std::vector<uint16_t>{0x3c00, 0xc000, 0})},
      {"uint32", 12, bytes(11, varints({1, 2, 0xffffffff})), rawOf(std::vector<uint32_t>{1, 2, 0xffffffff})},
      {"uint64", 13, bytes(11, varints({1, 2, UINT64_MAX})), rawOf(std::vector<uint64_t>{1, 2, UINT64_MAX})},
  };
  for (const Case& one : cases) {
    const std::string file = model(bytes(5, tensor(one.name, {3}, one.type, one.data)));
    const auto kept = scanBytes(file);
    EXPECT_EQ(at(onlyInitializer(kept), {9}), one.stored);
    onnx::ScanOptions cutEverything;
    cutEverything.inlineBytes = 0;
    const auto cut = scanBytes(file, cutEverything);
    REQUIRE(cut.payloads.size() == 1);
    EXPECT_EQ(payloadBytes(cut, 0), one.stored);
    EXPECT_EQ(numberAt(onlyInitializer(cut), onnx::kOrdinalField), 1);
  }
}

TEST(finds_tensors_in_subgraphs_functions_and_sparse_tensors) {
  const std::string large = rawOf(ramp(300));
  const std::string weights = tensor("w", {300}, 1, bytes(9, large));
  const std::string constant =
      bytes(4, "Constant") + bytes(5, bytes(1, "value") + bytes(5, weights) + number(20, 4));
  const std::string branch = bytes(1, constant) + bytes(5, weights);
  const std::string conditional = bytes(4, "If") + bytes(5, bytes(1, "then_branch") + bytes(6, branch));
  const std::string sparse =
      bytes(1, weights) + bytes(2, tensor("i", {300}, 7, bytes(9, std::string(2400, '\0'))));
  const std::string function = bytes(1, "f") + bytes(7, constant);
  const auto scan = scanBytes(model(bytes(1, conditional) + bytes(15, sparse)) + bytes(25, function));
  REQUIRE(scan.payloads.size() == 5);
  for (const size_t index : {0, 1, 2, 4}) EXPECT_EQ(payloadBytes(scan, index), large);
  EXPECT_EQ(scan.payloads[3].length, 2400u);
  EXPECT_EQ(numberAt(at(scan.skeleton, {7, 1, 5, 6, 1, 5, 5}), onnx::kOrdinalField), 1);
  EXPECT_EQ(numberAt(at(scan.skeleton, {25, 7, 5, 5}), onnx::kOrdinalField), 5);
}

TEST(an_ordinal_written_by_the_file_is_dropped) {
  const std::string forged = number(onnx::kOrdinalField, 7) + bytes(onnx::kOrdinalField, "x");
  const auto scan = scanBytes(model(bytes(5, tensor("w", {1}, 1, bytes(9, rawOf(ramp(1))) + forged))));
  EXPECT_EQ(numberAt(onlyInitializer(scan), onnx::kOrdinalField), -1);
  EXPECT_EQ(scan.payloads.size(), size_t{0});
  // Nor from a message whose other unknown fields would be passed on.
  const auto outside = scanBytes(model(bytes(1, bytes(4, "Relu") + forged)) + forged);
  EXPECT_EQ(numberAt(outside.skeleton, onnx::kOrdinalField), -1);
  EXPECT_EQ(numberAt(at(outside.skeleton, {7, 1}), onnx::kOrdinalField), -1);
}

TEST(a_tensor_whose_elements_do_not_fit_its_shape_is_refused) {
  const std::string raw = bytes(9, rawOf(ramp(4)));
  const auto scanTensorOf = [](const std::string& proto) { return scanBytes(model(bytes(5, proto))); };
  EXPECT_EQ(scanTensorOf(tensor("w", {2, 2}, 1, raw)).payloads.size(), size_t{0});
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {5}, 1, raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {3}, 1, raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {4}, 11, raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {4}, 1, "")), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {UINT64_MAX}, 1, raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {uint64_t{1} << 62, 4}, 1, raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {uint64_t{1} << 62}, 1, raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {uint64_t{1} << 60}, 7, bytes(7, varints({1})))),
                     "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {4}, 1, raw + bytes(4, rawOf(ramp(4))))), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {4}, 1, raw + raw)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {1}, 2, bytes(5, varints({256})))), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {1}, 7, bytes(5, varints({1})))), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {1}, 11, bytes(4, rawOf(ramp(2))))), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("w", {2}, 7, bytes(7, varints({1}) + "\x80"))), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanTensorOf(tensor("\xff", {4}, 1, raw)), "FILE_CORRUPT");
}

TEST(strings_and_unknown_types_keep_their_shape_only) {
  const auto scan = scanBytes(model(bytes(5, tensor("s", {2}, 8, bytes(6, "ab") + bytes(6, "c")))));
  EXPECT_EQ(numberAt(onlyInitializer(scan), 2), 8);
  EXPECT_EQ(at(onlyInitializer(scan), {6}), std::string("<absent>"));
  EXPECT_EQ(numberAt(onlyInitializer(scanBytes(model(bytes(5, tensor("n", {2}, 99, ""))))), 2), 99);
}

TEST(nesting_is_bounded) {
  const auto nested = [](int levels) {
    std::string graph;
    for (int level = 0; level < levels; level++) graph = bytes(1, bytes(5, bytes(6, graph)));
    return model(graph);
  };
  EXPECT_TRUE(!scanBytes(nested(20)).skeleton.empty());
  EXPECT_THROWS_CODE(scanBytes(nested(30)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanBytes(nested(3000)), "FILE_CORRUPT");
}

TEST(limits_on_what_javascript_would_hold) {
  std::string graph;
  for (int index = 0; index < 1000; index++) graph += bytes(1, "");
  onnx::ScanOptions few;
  few.maximumItems = 500;
  EXPECT_THROWS_CODE(scanBytes(model(graph), few), "OUT_OF_MEMORY_BUDGET");
  onnx::ScanOptions small;
  small.maximumSkeletonBytes = 3000;
  EXPECT_THROWS_CODE(scanBytes(model(bytes(1, bytes(4, std::string(4000, 'x')))), small),
                     "OUT_OF_MEMORY_BUDGET");
  std::string ints;
  for (int index = 0; index < 1000; index++) ints += '\1';
  EXPECT_THROWS_CODE(scanBytes(model(bytes(1, bytes(5, bytes(8, ints)))), few), "OUT_OF_MEMORY_BUDGET");
}

TEST(singular_messages_may_not_repeat) {
  EXPECT_THROWS_CODE(scanBytes(bytes(7, "") + bytes(7, "")), "FILE_CORRUPT");
  const std::string value = tensor("w", {1}, 1, bytes(9, rawOf(ramp(1))));
  EXPECT_THROWS_CODE(scanBytes(model(bytes(1, bytes(5, bytes(5, value) + bytes(5, value))))), "FILE_CORRUPT");
}

TEST(utf8) {
  for (const char* text : {"", "abc", "é", "日本", "😀", "\xf4\x8f\xbf\xbf"}) EXPECT_TRUE(onnx::isUtf8(text));
  for (const char* text : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x9f\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                           "\xf5\x80\x80\x80", "a\xe2\x82", "\xff"})
    EXPECT_TRUE(!onnx::isUtf8(text));
}

TEST(scans_every_real_model) {
  const std::string data = sharedData();
  if (data.empty()) SKIP("no shared data");
  int models = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    if (entry.path().extension() != ".onnx") continue;
    models++;
    const auto scan = onnx::scanModelFile(entry.path().string());
    uint64_t cut = 0;
    for (const auto& payload : scan.payloads) cut += payload.file == 0 ? payload.length : 0;
    // What was cut and what was kept account for the file; the rest is documentation and value_info.
    EXPECT_TRUE(scan.skeleton.size() + cut <= entry.file_size() + 1024);
    for (size_t index = 0; index < scan.payloads.size(); index++)
      EXPECT_EQ(payloadBytes(scan, index).size(), scan.payloads[index].length);
  }
  EXPECT_TRUE(models > 20);
}
