#include "graph/op.h"

#include <algorithm>
#include <map>

#include "runtime/error.h"

namespace ascribe {

namespace {
// A function-local map: registrars of other files run in no particular order.
std::map<std::string, OpSchema, std::less<>>& registry() {
  static std::map<std::string, OpSchema, std::less<>> ops;
  return ops;
}
}  // namespace

RegisterOp::RegisterOp(OpSchema schema) { registry().emplace(schema.name, std::move(schema)); }

const OpSchema* findOp(std::string_view name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : &found->second;
}

const OpSchema& op(std::string_view name) {
  const OpSchema* found = findOp(name);
  if (!found) throw Error("INTERNAL", "no op is called " + std::string(name));
  return *found;
}

std::vector<const OpSchema*> allOps() {
  std::vector<const OpSchema*> out;
  for (const auto& [name, schema] : registry()) out.push_back(&schema);
  return out;
}

const HostTensor* InferContext::maybeKnown(int index) const {
  return has(index) ? graph_.known(node_.inputs[static_cast<size_t>(index)]) : nullptr;
}

const HostTensor& InferContext::known(int index, const char* what) const {
  const HostTensor* tensor = maybeKnown(index);
  if (!tensor)
    fail(std::string("its ") + what + " must be known when the plan is compiled, but it is computed from data");
  return *tensor;
}

void InferContext::fail(const std::string& message) const {
  throw Error("MODEL_INVALID", "node " + (node_.name.empty() ? "(unnamed)" : node_.name) + " (" + node_.op->name + "): " + message);
}

}  // namespace ascribe
