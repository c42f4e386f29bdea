#pragma once
#include <memory>

#include "runtime/job.h"
#include "runtime/onnx/scan.h"

namespace ascribe {

/// Scans an ONNX file on a lane, in one turn: it reads field headers only.
class ScanJob : public Job {
 public:
  ScanJob(std::shared_ptr<MappedFile> file, onnx::ScanOptions options) : file_(std::move(file)), options_(options) {}
  Step advance(Slice& slice) override {
    slice.checkCancelled();
    scan_ = onnx::scanModel(file_, options_);
    return Step::Done;
  }
  onnx::ModelScan& scan() { return scan_; }

 private:
  std::shared_ptr<MappedFile> file_;
  onnx::ScanOptions options_;
  onnx::ModelScan scan_;
};

}  // namespace ascribe
