#include "runtime/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "harness.h"
#include "onnx_writer.h"

using namespace ascribe;
using namespace ascribe::test;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "ascribe-test-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& content) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << content;
    return (path / name).string();
  }
  fs::path path;
};

std::string textOf(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.data()), static_cast<size_t>(file.size())};
}

std::string entry(const std::string& key, const std::string& value) {
  return bytes(13, bytes(1, key) + bytes(2, value));
}

std::string externalModel(const std::string& location, const std::string& rest = "") {
  return model(bytes(5, tensor("w", {300}, 1, entry("location", location) + rest + number(14, 1))));
}

}  // namespace

TEST(map_and_copy_read_the_same_bytes) {
  const Folder folder;
  const std::string path = folder.write("a.bin", "hello weights");
  EXPECT_EQ(textOf(*MappedFile::open(path, MappedFile::Mode::Map)), std::string("hello weights"));
  EXPECT_EQ(textOf(*MappedFile::open(path, MappedFile::Mode::Copy)), std::string("hello weights"));
  EXPECT_EQ(MappedFile::open(folder.write("empty", ""), MappedFile::Mode::Map)->size(), uint64_t{0});
}

TEST(ranges_are_checked_without_overflow) {
  const auto file = MappedFile::own(std::vector<std::byte>(10));
  EXPECT_EQ(file->range(4, 6).size(), size_t{6});
  EXPECT_EQ(file->range(10, 0).size(), size_t{0});
  EXPECT_THROWS_CODE(file->range(4, 7), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(file->range(11, 0), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(file->range(4, UINT64_MAX), "FILE_CORRUPT");
}

TEST(what_is_not_a_regular_file_is_refused) {
  const Folder folder;
  EXPECT_THROWS_CODE(MappedFile::open((folder.path / "absent").string(), MappedFile::Mode::Map),
                     "FILE_NOT_FOUND");
  EXPECT_THROWS_CODE(MappedFile::open(folder.path.string(), MappedFile::Mode::Map), "FILE_NOT_FOUND");
  const std::string pipe = (folder.path / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  EXPECT_THROWS_CODE(MappedFile::open(pipe, MappedFile::Mode::Map), "FILE_NOT_FOUND");
}

TEST(writing_into_a_mapped_file_is_found_and_replacing_it_is_harmless) {
  const Folder folder;
  const std::string path = folder.write("a.bin", "first");
  const auto mapped = MappedFile::open(path, MappedFile::Mode::Map);
  mapped->checkUnchanged();
  fs::rename(folder.write("b.bin", "other"), path);
  mapped->checkUnchanged();
  EXPECT_EQ(textOf(*mapped), std::string("first"));
  const auto again = MappedFile::open(path, MappedFile::Mode::Map);
  const auto copied = MappedFile::open(path, MappedFile::Mode::Copy);
  std::ofstream(path, std::ios::binary | std::ios::app) << "!";
  EXPECT_THROWS_CODE(again->checkUnchanged(), "FILE_CHANGED");
  copied->checkUnchanged();
  fs::remove(path);
  mapped->checkUnchanged();
}

TEST(a_copy_is_bounded) {
  const Folder folder;
  const std::string path = folder.write("a.bin", "0123456789");
  EXPECT_THROWS_CODE(MappedFile::open(path, MappedFile::Mode::Copy, 9), "OUT_OF_MEMORY_BUDGET");
  EXPECT_EQ(MappedFile::open(path, MappedFile::Mode::Copy, 10)->size(), uint64_t{10});
}

TEST(external_data_is_found_beside_the_model) {
  const Folder folder;
  const std::string weights(1200, 'w');
  folder.write("weights.bin", "0123456789" + weights);
  folder.write("deeper/more.bin", weights);
  const auto at10 = entry("offset", "10") + entry("length", "1200");
  const auto scan = onnx::scanModelFile(folder.write("m.onnx", externalModel("weights.bin", at10)));
  REQUIRE(scan.payloads.size() == 1);
  EXPECT_EQ(payloadBytes(scan, 0), weights);
  EXPECT_EQ(scan.payloads[0].file, 1u);
  const auto deeper = onnx::scanModelFile(folder.write("d.onnx", externalModel("deeper/more.bin")));
  EXPECT_EQ(payloadBytes(deeper, 0), weights);
  const auto small = model(bytes(5, tensor("s", {2}, 2, entry("location", "weights.bin") + number(14, 1))));
  EXPECT_EQ(at(onnx::scanModelFile(folder.write("s.onnx", small)).skeleton, {7, 5, 9}), std::string("01"));
  // A download cache keeps links: to the model alone, with the weights beside the link's target.
  fs::create_directories(folder.path / "cache");
  fs::create_symlink(folder.path / "m.onnx", folder.path / "cache/link.onnx");
  EXPECT_EQ(payloadBytes(onnx::scanModelFile((folder.path / "cache/link.onnx").string()), 0), weights);
}

TEST(external_data_cannot_leave_the_folder) {
  const Folder folder;
  folder.write("secret.bin", std::string(1200, 's'));
  fs::create_directories(folder.path / "model");
  fs::create_symlink(folder.path / "secret.bin", folder.path / "model/link.bin");
  fs::create_symlink(folder.path, folder.path / "model/up");
  const auto scanWith = [&](const std::string& location, const std::string& rest = "") {
    return onnx::scanModelFile(folder.write("model/m.onnx", externalModel(location, rest)));
  };
  for (const char* location : {"../secret.bin", "link.bin", "up/secret.bin", "./../secret.bin", ""})
    EXPECT_THROWS_CODE(scanWith(location), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanWith((folder.path / "secret.bin").string()), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanWith(std::string("a\0b", 3)), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanWith("absent.bin"), "FILE_NOT_FOUND");
  folder.write("model/short.bin", std::string(1199, 's'));
  EXPECT_THROWS_CODE(scanWith("short.bin"), "FILE_CORRUPT");
  folder.write("model/right.bin", std::string(1200, 's'));
  EXPECT_EQ(payloadBytes(scanWith("right.bin"), 0).size(), size_t{1200});
  EXPECT_THROWS_CODE(scanWith("right.bin", entry("offset", "18446744073709551615")), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanWith("right.bin", entry("offset", "-1")), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanWith("right.bin", entry("length", "1199")), "FILE_CORRUPT");
  EXPECT_THROWS_CODE(scanBytes(externalModel("right.bin")), "FILE_CORRUPT");
}

TEST(a_500_megabyte_model_scans_without_its_pages) {
  const Folder folder;
  const std::string path = (folder.path / "big.onnx").string();
  constexpr uint64_t kPayload = uint64_t{50} << 20;
  const int descriptor = ::open(path.c_str(), O_CREAT | O_RDWR, 0600);
  uint64_t written = 0;
  const auto put = [&](const std::string& text) {
    written +=
        static_cast<uint64_t>(::pwrite(descriptor, text.data(), text.size(), static_cast<off_t>(written)));
  };
  // Lengths first, then holes: the file costs no disk and its payload pages start out absent.
  std::string head = bytes(1, varints({kPayload / 4})) + number(2, 1) + bytes(8, "w");
  onnx::writeTag(head, 9, onnx::Wire::Bytes);
  onnx::writeVarint(head, kPayload);
  std::string initializer;
  onnx::writeTag(initializer, 5, onnx::Wire::Bytes);
  onnx::writeVarint(initializer, head.size() + kPayload);
  initializer += head;
  std::string start = number(1, 8);
  onnx::writeTag(start, 7, onnx::Wire::Bytes);
  onnx::writeVarint(start, 10 * (initializer.size() + kPayload));
  put(start);
  for (int index = 0; index < 10; index++) {
    put(initializer);
    written += kPayload;
  }
  REQUIRE(::ftruncate(descriptor, static_cast<off_t>(written)) == 0);
  ::close(descriptor);

  const auto begin = std::chrono::steady_clock::now();
  const auto scan = onnx::scanModelFile(path);
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(scan.payloads.size(), size_t{10});
  EXPECT_EQ(scan.payloads[9].offset + kPayload, written);
  EXPECT_TRUE(scan.skeleton.size() < 1000);
  EXPECT_TRUE(ms < 500);
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((written + page - 1) / page);
  REQUIRE(::mincore(const_cast<std::byte*>(scan.files[0]->data()), written, resident.data()) == 0);
  size_t pages = 0;
  for (const unsigned char one : resident) pages += one & 1;
  EXPECT_TRUE(pages * page < (uint64_t{8} << 20));
}
