#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "graph/op.h"
#include "kernels/kernel.h"
#include "kernels/stored_signature.h"

namespace ascribe {
namespace {

struct Registry {
  std::mutex guard;  // backend libraries register while other environments already compile plans
  std::set<std::string, std::less<>> names;
  std::deque<KernelEntry> entries;  // addresses stay valid
  std::map<std::string_view, std::vector<const KernelEntry*>> byOp;
};

// Function-local: registrars of other files run in no particular order.
Registry& registry() {
  static Registry all;
  return all;
}

class FunctionKernel final : public Kernel {
 public:
  FunctionKernel(const KernelEntry& entry, const Node& node)
      : function_(entry.function), node_(node), name_(std::string(entry.backend) + "-" + std::string(entry.op)) {}
  void run(const KernelArguments& arguments) const override { function_(arguments, node_); }
  std::string_view name() const override { return name_; }

 private:
  KernelFunction function_;
  Node node_;  // a copy: the graph may go before the kernel does
  std::string name_;
};

/// Operands of which only the shape is read may lie as they like.
bool allPlain(const NodeSignature& signature) {
  const auto plain = [](const ValueType& type) { return type.layout == Layout::Plain; };
  for (size_t i = 0; i < signature.inputs.size(); ++i)
    if (!plain(signature.inputs[i]) && !(signature.node.op->shapeOnly >> std::min<size_t>(i, 31) & 1)) return false;
  return std::all_of(signature.outputs.begin(), signature.outputs.end(), plain);
}

std::unique_ptr<Kernel> tryEntry(const KernelEntry& entry, const NodeSignature& signature) {
  if (entry.accepts && !entry.accepts(signature)) return nullptr;
  if (entry.make) return entry.make(signature);
  return std::make_unique<FunctionKernel>(entry, signature.node);
}

}  // namespace

RegisterKernel::RegisterKernel(KernelEntry entry) {
  Registry& all = registry();
  const std::lock_guard lock(all.guard);
  entry.op = *all.names.emplace(entry.op).first;
  entry.backend = *all.names.emplace(entry.backend).first;
  all.entries.push_back(entry);
  auto& list = all.byOp[entry.op];
  // Sorted by preference; by name among equals, since the order of registration is the linker's.
  const auto before = [](const KernelEntry* a, const KernelEntry* b) {
    return a->preference != b->preference ? a->preference > b->preference : a->backend < b->backend;
  };
  list.insert(std::upper_bound(list.begin(), list.end(), &all.entries.back(), before), &all.entries.back());
}

RegisterKernelFunction::RegisterKernelFunction(std::string_view op, std::string_view backend, KernelFunction function,
                                               bool (*accepts)(const NodeSignature&)) {
  RegisterKernel(KernelEntry{.op = op, .backend = backend, .make = nullptr, .function = function, .accepts = accepts});
}

std::unique_ptr<Kernel> makeKernel(const NodeSignature& signature, std::span<const std::string_view> backends) {
  const std::vector<const KernelEntry*> candidates = kernelsOf(signature.node.op->name);
  const bool plain = allPlain(signature);
  const std::optional<StoredSignature> stored = plain ? std::nullopt : storedSignature(signature);
  for (const std::string_view backend : backends)
    for (const KernelEntry* entry : candidates) {
      if (entry->backend != backend) continue;
      if (plain || entry->anyLayout) {
        if (auto kernel = tryEntry(*entry, signature)) return kernel;
      } else if (stored) {
        if (auto kernel = tryEntry(*entry, stored->signature())) return makeStoredKernel(std::move(kernel), *stored);
      }
    }
  return nullptr;
}

bool takesLayout(const NodeSignature& signature, std::span<const std::string_view> backends) {
  if (storedSignature(signature)) return true;
  for (const KernelEntry* entry : kernelsOf(signature.node.op->name))
    if (entry->anyLayout && std::find(backends.begin(), backends.end(), entry->backend) != backends.end() && entry->accepts && entry->accepts(signature))
      return true;
  return false;
}

std::vector<const KernelEntry*> kernelsOf(std::string_view op) {
  Registry& all = registry();
  const std::lock_guard lock(all.guard);
  const auto found = all.byOp.find(op);
  return found == all.byOp.end() ? std::vector<const KernelEntry*>{} : found->second;
}

}  // namespace ascribe
