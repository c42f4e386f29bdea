#pragma once
#include <memory>
#include <string>

#include "numerics/sha256.h"
#include "runtime/job.h"
#include "runtime/mapped_file.h"

namespace ascribe {

/// SHA-256 of a storage in slices of a megabyte.
class HashJob : public Job {
 public:
  explicit HashJob(std::shared_ptr<MappedFile> file) : file_(std::move(file)) {}
  Step advance(Slice& slice) override;
  /// Hexadecimal, once the job is done.
  const std::string& digest() const { return digest_; }

 private:
  std::shared_ptr<MappedFile> file_;
  Sha256 hash_;
  uint64_t position_ = 0;
  std::string digest_;
};

}  // namespace ascribe
