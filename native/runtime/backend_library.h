#pragma once
#include <string>
#include <vector>

namespace ascribe {

/// What `ascribe doctor` says about one backend: where it was looked for, and why it is not there.
struct BackendReport {
  std::string name;
  bool available = false;
  std::string path, version, isa;
  /// One line a place: "path: reason".
  std::vector<std::string> tried;
};

/// A library beside the addon, opened at run time: the addon itself links none of what backends need.
struct BackendSearch {
  std::string name;                 // "onednn"
  std::string environmentVariable;  // names the file; "none" switches the backend off
  std::string fileName;             // "libascribe_onednn.so"
  std::string entry;                // exported function, called by the caller of openBackend
};

/// A folder to search after the addon's own (an optional platform package). Before the first use of a
/// backend.
void addBackendFolder(const std::string& folder);

/// Searches the environment variable's file alone where that is set, else beside the addon, else the added
/// folders. Returns the entry function of the first library with our ABI number and fills the report; nullptr
/// if there is none. An opened library is never closed.
void* openBackend(const BackendSearch& search, BackendReport& report);

}  // namespace ascribe
