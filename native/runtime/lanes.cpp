#include "runtime/lanes.h"

#include <string>
#include <system_error>

#include "runtime/error.h"
#include "runtime/team.h"
#include "runtime/threads.h"

namespace ascribe {

Lanes::Lanes(const EngineConfiguration& configuration, std::function<void()> body) {
  for (int lane = 0; lane < configuration.lanes; ++lane) {
    auto loop = [lane, body, width = configuration.threadsPerLane, niceness = configuration.niceness] {
      const std::string name = "ascribe-lane" + std::to_string(lane);
      nameThread(name);
      // Before any helper starts (ours or a backend's): they inherit it.
      addThreadNiceness(niceness);
      Team team(width, [name] { nameThread(name); });
      const TeamScope scope(team);
      body();
    };
    try {
      threads_.push_back(startThread(loop));
    } catch (const std::system_error& refused) {
      if (threads_.empty()) {
        throw Error("INTERNAL", std::string("the system refuses to start a thread: ") + refused.what(),
                    "raise the limit on processes (ulimit -u) or the container's pids limit");
      }
      return;
    }
  }
}

Lanes::~Lanes() {
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace ascribe
