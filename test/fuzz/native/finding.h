#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "runtime/error.h"

namespace ascribe::fuzz {

/// Ends the process, so that the fuzzer keeps the input: for what neither sanitizer sees.
[[noreturn]] inline void finding(const char* what, const char* detail = "") {
  std::fprintf(stderr, "FINDING: %s %s\n", what, detail);
  std::abort();
}

/// A refusal is no finding where its code is one that a user can be told.
inline void expectCode(const Error& error, std::initializer_list<const char*> codes) {
  for (const char* code : codes)
    if (std::strcmp(error.code(), code) == 0) return;
  std::fprintf(stderr, "%s: %s\n", error.code(), error.what());
  finding("unexpected code", error.code());
}

}  // namespace ascribe::fuzz
