#include "runtime/memory.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "harness.h"

using namespace ascribe;

namespace {

size_t residentBytes() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

std::shared_ptr<MemoryBudget> budgetOf(size_t limit, std::shared_ptr<MemoryBudget> parent = nullptr) {
  return std::make_shared<MemoryBudget>(limit, std::move(parent));
}

}  // namespace

TEST(blocks_are_aligned_and_counted) {
  const auto budget = budgetOf(MemoryBudget::unlimited);
  const size_t before = MemoryBudget::process()->current();
  for (const size_t bytes : {size_t{1}, size_t{64}, size_t{1000}, size_t{1} << 20, (size_t{3} << 20) + 5}) {
    const Block block(budget, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % 64, uintptr_t{0});
    EXPECT_EQ(block.bytes(), bytes);
    std::memset(block.data(), 1, bytes);
    EXPECT_TRUE(budget->current() >= bytes && budget->current() < bytes + 65536);
    EXPECT_EQ(MemoryBudget::process()->current() - before, budget->current());
  }
  EXPECT_EQ(budget->current(), size_t{0});
  EXPECT_TRUE(budget->peak() >= (size_t{3} << 20) + 5);
  EXPECT_TRUE(Block(budget, 0).data() == nullptr);
}

TEST(an_exceeded_budget_names_the_sizes_and_charges_nothing) {
  const auto budget = budgetOf(4096);
  const Block first(budget, 4000);
  EXPECT_EQ(budget->available(), size_t{64});
  EXPECT_THROWS_CODE(Block(budget, 65), "OUT_OF_MEMORY_BUDGET");
  EXPECT_EQ(budget->current(), size_t{4032});
  EXPECT_EQ(budget->peak(), size_t{4032});
  try {
    Block(budget, 200, "activations");
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "256 bytes for activations do not fit: the job uses 4032 bytes of 4096 bytes");
  }
  EXPECT_THROWS_CODE(Block(nullptr, SIZE_MAX), "OUT_OF_MEMORY_BUDGET");
  EXPECT_THROWS_CODE(Block(nullptr, SIZE_MAX / 2), "OUT_OF_MEMORY_BUDGET");
}

TEST(parents_bound_their_children_together) {
  const auto environment = budgetOf(1000);
  const auto a = budgetOf(MemoryBudget::unlimited, environment), b = budgetOf(800, environment);
  a->charge(600);
  EXPECT_EQ(b->available(), size_t{400});
  EXPECT_THROWS_CODE(b->charge(500), "OUT_OF_MEMORY_BUDGET");
  EXPECT_EQ(b->current(), size_t{0});
  EXPECT_EQ(b->peak(), size_t{0});
  EXPECT_EQ(environment->current(), size_t{600});
  b->charge(400);
  EXPECT_EQ(environment->peak(), size_t{1000});
  a->refund(600);
  b->refund(400);
  EXPECT_EQ(environment->current(), size_t{0});
}

TEST(moved_blocks_are_refunded_once) {
  const auto budget = budgetOf(MemoryBudget::unlimited);
  Block a(budget, 100);
  void* data = a.data();
  Block b(std::move(a));
  EXPECT_TRUE(b.data() == data && a.data() == nullptr);
  Block c(budget, 200);
  c = std::move(b);
  EXPECT_TRUE(c.data() == data && b.data() == nullptr);
  EXPECT_EQ(budget->current(), size_t{128});
  c = Block();
  EXPECT_EQ(budget->current(), size_t{0});
}

TEST(large_blocks_go_back_to_the_system) {
  constexpr size_t bytes = size_t{96} << 20;
  const size_t before = residentBytes();
  {
    const Block block(nullptr, bytes);
    std::memset(block.data(), 1, bytes);
    EXPECT_TRUE(residentBytes() >= before + bytes * 9 / 10);
  }
  EXPECT_TRUE(residentBytes() <= before + bytes / 10);
}

TEST(concurrent_charges_never_pass_the_limit) {
  const auto budget = budgetOf(1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        try {
          budget->charge(300);
          budget->refund(300);
        } catch (const Error&) {
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(budget->current(), size_t{0});
  EXPECT_TRUE(budget->peak() <= 1000);
}
