#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/device.h"

namespace ascribe {

/// Steps of a plan, `begin` to `end`, that a device can write down and enqueue at once.
struct PlanPiece {
  size_t begin = 0, end = 0;
};

/// One run of a plan as its device wrote it down: it reads and writes at `addresses` and nowhere else.
struct RecordedRun {
  std::vector<uintptr_t> addresses;
  std::vector<std::shared_ptr<DeviceRecording>> pieces;
};

/// What a plan's device wrote down of runs. Memory that runs take and give back comes again, so that most runs of a plan
/// find one of these for just the addresses that they hold. Safe from several threads.
class Recordings {
 public:
  /// A run is written down when its addresses come a second time: plans that run once are not worth it.
  enum class Answer { Run, Record, Replay };
  /// `run` is set for Replay.
  Answer ask(const std::vector<uintptr_t>& addresses, std::shared_ptr<const RecordedRun>& run);
  void keep(std::shared_ptr<const RecordedRun> run);
  /// No run is written down from here on.
  void refuse(std::string reason);
  /// Runs that were written down so far.
  size_t made() const;
  /// Why not; empty where nothing speaks against it.
  std::string refusal() const;

 private:
  /// Runs of a plan beside each other have addresses of their own. Where addresses never come again, recordings would cost
  /// more than they bring.
  static constexpr size_t kKept = 4, kSeen = 8, kMost = 32;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const RecordedRun>> kept_;  // the last one used at the end
  std::vector<std::vector<uintptr_t>> seen_;
  size_t made_ = 0;
  std::string refusal_;
};

}  // namespace ascribe
