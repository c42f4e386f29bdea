#pragma once
#include <cmath>
#include <cstring>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

#include "runtime/error.h"

namespace ascribe::test {

/// Thrown by SKIP: the test cannot run here (absent data, hardware); it counts as neither passed nor failed.
struct Skipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Registers a test under "file/name", so that --filter can pick a whole file.
struct Registration {
  Registration(const char* file, const char* name, void (*body)());
};
/// A test made at run time (one an op, say).
void addTest(std::string name, std::function<void()> body);

/// Records a failed expectation of the running test; it goes on, so that one run shows all failures.
void fail(const char* file, int line, const std::string& message);

/// Folder of the shared real data, or empty where it is absent (ASCRIBE_SHARED_DATA, else ../shared/data).
std::string sharedData();

template <class T>
std::string show(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (requires { out << value; }) {
    out << value;
  } else if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else {
    out << "<value of " << sizeof(T) << " bytes>";
  }
  return out.str();
}

template <class A, class B>
void expectEqual(const A& actual, const B& expected, const char* text, const char* file, int line) {
  if (!(actual == expected))
    fail(file, line, std::string(text) + ": got " + show(actual) + ", expected " + show(expected));
}

inline void expectNear(double actual, double expected, double tolerance, const char* text, const char* file,
                       int line) {
  // Written so that NaN on either side fails.
  if (!(std::fabs(actual - expected) <= tolerance) && !(actual == expected)) {
    fail(file, line,
         std::string(text) + ": got " + show(actual) + ", expected " + show(expected) + " within " +
             show(tolerance));
  }
}

template <class Body>
void expectThrowsCode(Body&& body, const char* code, const char* text, const char* file, int line) {
  try {
    body();
  } catch (const Error& error) {
    if (std::strcmp(error.code(), code) != 0) {
      fail(file, line,
           std::string(text) + ": threw " + error.code() + " (" + error.what() + "), expected " + code);
    }
    return;
  } catch (const std::exception& error) {
    fail(file, line,
         std::string(text) + ": threw a plain exception (" + error.what() + "), expected " + code);
    return;
  }
  fail(file, line, std::string(text) + ": did not throw, expected " + code);
}

}  // namespace ascribe::test

#define ASCRIBE_TEST_JOIN2(a, b) a##b
#define ASCRIBE_TEST_JOIN(a, b) ASCRIBE_TEST_JOIN2(a, b)
#define TEST(name)                                                                   \
  static void ASCRIBE_TEST_JOIN(test_, name)();                                      \
  static const ::ascribe::test::Registration ASCRIBE_TEST_JOIN(registration_, name){ \
      __FILE__, #name, &ASCRIBE_TEST_JOIN(test_, name)};                             \
  static void ASCRIBE_TEST_JOIN(test_, name)()

#define EXPECT_TRUE(condition) \
  ((condition) ? void() : ::ascribe::test::fail(__FILE__, __LINE__, #condition " is false"))
#define EXPECT_EQ(actual, expected) \
  ::ascribe::test::expectEqual((actual), (expected), #actual, __FILE__, __LINE__)
#define EXPECT_NEAR(actual, expected, tolerance) \
  ::ascribe::test::expectNear((actual), (expected), (tolerance), #actual, __FILE__, __LINE__)
#define EXPECT_THROWS_CODE(expression, code) \
  ::ascribe::test::expectThrowsCode([&] { (void)(expression); }, code, #expression, __FILE__, __LINE__)
/// Stops the running test as failed: for what later statements depend on.
#define REQUIRE(condition)                                                                             \
  do {                                                                                                 \
    if (!(condition))                                                                                  \
      throw std::runtime_error(std::string(#condition " is false, line ") + std::to_string(__LINE__)); \
  } while (false)
#define SKIP(reason) throw ::ascribe::test::Skipped(reason)
