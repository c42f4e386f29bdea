#pragma once
#include <stdexcept>
#include <string>

namespace ascribe {

/// The native side of AscribeError. `code` is one of the keys of lib/errors.ts; the addon turns it into a
/// typed JavaScript error. Never thrown across the addon boundary or out of a lane's thread.
class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}
  const char* code() const noexcept { return code_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  const char* code_;
  std::string hint_;
};

}  // namespace ascribe
