#include <utility>

#include "runtime/error.h"
#include "runtime/execution.h"
#include "runtime/memory_plan.h"

namespace ascribe {

Session::Session(const Graph& graph, const std::map<std::string, int64_t>& sizes, std::shared_ptr<Device> device)
    : device_(std::move(device)) {
  const auto queue = device_->openQueue();
  for (const State& state : graph.states) {
    const Value& v = graph.value(state.value);
    Shape shape = v.declared.empty() ? v.type.shape : Shape{};
    for (const DeclaredDim& dim : v.declared) {
      const auto found = sizes.find(dim.symbol);
      if (dim.size < 0 && found == sizes.end()) throw Error("INPUT_SHAPE", "dimension " + dim.symbol + " of state " + state.name + " has no size");
      shape.push(dim.size < 0 ? found->second : dim.size);
    }
    names_.push_back(state.name);
    shapes_.push_back(shape);
    dtypes_.push_back(v.type.dtype);
    buffers_.emplace_back(device_, nullptr, bytesOf({v.type.dtype, shape, Layout::Plain}), "session states");
    if (buffers_.back().bytes() != 0) queue->fill(buffers_.back().address(), 0, buffers_.back().bytes());
  }
  queue->synchronize();
}

HostTensor Session::read(size_t state) const {
  const Use use(*this);
  HostTensor out(dtypes_[state], shapes_[state]);
  if (out.bytes() == 0) return out;
  const auto queue = device_->openQueue();
  queue->download(out.mutableData(), buffers_[state].address(), out.bytes());
  queue->synchronize();
  return out;
}

void Session::write(size_t state, const HostTensor& tensor) {
  const Use use(*this);
  if (tensor.dtype() != dtypes_[state])
    throw Error("INPUT_DTYPE", "state " + names_[state] + " holds " + std::string(nameOf(dtypes_[state])));
  if (!(tensor.shape() == shapes_[state]))
    throw Error("INPUT_SHAPE", "state " + names_[state] + " has shape " + shapes_[state].text() + ", received " + tensor.shape().text());
  if (tensor.bytes() == 0) return;
  const auto queue = device_->openQueue();
  queue->upload(buffers_[state].address(), tensor.data(), tensor.bytes());
  queue->synchronize();
}

Session::Use::Use(const Session& session) : session_(session) {
  if (session_.inUse_.exchange(true, std::memory_order_acquire))
    throw Error("OPTION_RANGE", "a run uses this session already", "wait for it, or give each run a session of its own");
}

}  // namespace ascribe
