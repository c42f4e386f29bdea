#include "isa_scope.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "cpu_support.h"
#include "harness.h"

namespace ascribe::test {

void expectPassesCappedTo(const char* isa, const char* filter) {
  if (std::getenv("ASCRIBE_MAX_ISA") != nullptr) return;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("ASCRIBE_MAX_ISA", isa, 1);
    execl("/proc/self/exe", "ascribe_tests", "--filter", filter, nullptr);
    _exit(127);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

namespace {

/// Of products of bf16 kernels() says nothing.
struct InForce {
  const cpu::IsaKernels *any = &cpu::kernels(), *bf16 = cpu::bf16Kernels();
  bool operator==(const InForce&) const = default;
};

TEST(what_was_in_force_is_in_force_again) {
  const InForce before;
  {
    const IsaScope outer(cpu::Isa::Avx512);
    EXPECT_TRUE(cpu::bf16Kernels() == nullptr);
    const InForce within;
    try {
      const IsaScope inner(cpu::Isa::Baseline);
      EXPECT_TRUE(cpu::kernels().isa == cpu::Isa::Baseline);
      throw Skipped("on the way out");
    } catch (const Skipped&) {
    }
    EXPECT_TRUE(InForce() == within);
  }
  EXPECT_TRUE(InForce() == before);
}

TEST(a_case_of_every_instruction_set_leaves_them_as_they_were) {
  const InForce before;
  EXPECT_LIKE_REFERENCE({"relu", {floats({3, 17}, 1)}});
  EXPECT_TRUE(InForce() == before);
}

}  // namespace
}  // namespace ascribe::test
