#include "runtime/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ascribe {

SignalsBlocked::SignalsBlocked() {
  static_assert(sizeof(saved_) >= sizeof(sigset_t));
  sigset_t all, saved;
  sigfillset(&all);
  // These report a defect of the thread itself; blocking them would turn a crash report into a silent kill.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF}) sigdelset(&all, fault);
  pthread_sigmask(SIG_SETMASK, &all, &saved);
  std::memcpy(saved_, &saved, sizeof saved);
}

SignalsBlocked::~SignalsBlocked() {
  sigset_t saved;
  std::memcpy(&saved, saved_, sizeof saved);
  pthread_sigmask(SIG_SETMASK, &saved, nullptr);
}

void nameThread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

void keepOffCallersCpu(std::thread& thread) {
  // Whatever fails here (more CPUs than the set holds, a sandbox, another set since) leaves the thread where it is.
  cpu_set_t cpus;
  if (pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus) != 0) return;
  const int mine = sched_getcpu();
  if (mine < 0 || mine >= CPU_SETSIZE || CPU_COUNT(&cpus) < 2) return;
  CPU_CLR(mine, &cpus);
  pthread_setaffinity_np(thread.native_handle(), sizeof cpus, &cpus);
}

void addThreadNiceness(int niceness) {
  if (niceness == 0) return;
  const auto self = static_cast<id_t>(syscall(SYS_gettid));
  errno = 0;
  const int current = getpriority(PRIO_PROCESS, self);
  // Failure (no such call, a sandbox) only means that the thread keeps its priority.
  if (errno == 0) setpriority(PRIO_PROCESS, self, std::min(current + niceness, 19));
}

}  // namespace ascribe
