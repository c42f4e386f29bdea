#include "runtime/backend_library.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "harness.h"

using namespace ascribe;

namespace {

const BackendSearch search{"trial", "ASCRIBE_TEST_BACKEND", "libascribe_absent.so", "entry"};

/// The reason that the report gives when the variable names `path`.
std::string reasonFor(const std::string& path) {
  setenv("ASCRIBE_TEST_BACKEND", path.c_str(), 1);
  BackendReport report;
  EXPECT_TRUE(openBackend(search, report) == nullptr);
  unsetenv("ASCRIBE_TEST_BACKEND");
  EXPECT_TRUE(!report.available);
  return report.tried.size() == 1 ? report.tried[0] : "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST(every_absence_has_its_reason) {
  EXPECT_TRUE(contains(reasonFor("none"), "switched off by ASCRIBE_TEST_BACKEND"));
  EXPECT_TRUE(contains(reasonFor("/nowhere/library.so"), "/nowhere/library.so: no such file"));
  char path[] = "/tmp/ascribe-backend-XXXXXX";
  const int file = mkstemp(path);
  REQUIRE(file >= 0);
  REQUIRE(write(file, "not a library", 13) == 13);
  close(file);
  EXPECT_TRUE(contains(reasonFor(path), "does not load"));
  unlink(path);
#if defined(__aarch64__)  // under an emulator the other machine's lies there as well, and does not load
  const char* other = "/lib/aarch64-linux-gnu/libm.so.6";
#else
  const char* other = "/lib/x86_64-linux-gnu/libm.so.6";
#endif
  EXPECT_TRUE(contains(reasonFor(other), "is no backend library") || access(other, F_OK) != 0);
}

TEST(without_the_variable_the_folders_are_searched_in_order) {
  addBackendFolder("/nowhere/package");
  BackendReport report;
  EXPECT_TRUE(openBackend(search, report) == nullptr);
  REQUIRE(report.tried.size() == 2);
  EXPECT_TRUE(contains(report.tried[0], "/libascribe_absent.so: no such file"));
  EXPECT_EQ(report.tried[1], "/nowhere/package/libascribe_absent.so: no such file");
}
