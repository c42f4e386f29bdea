#include "addon/plan_description.h"

#include "addon/util/tensor.h"
#include "graph/op.h"

namespace ascribe::addon {

namespace {

void setType(Napi::Object out, const ValueType& type) {
  out.Set("dtype", std::string(nameOf(type.dtype)));
  out.Set("shape", makeShape(out.Env(), type.shape));
}

Napi::Array describeValues(Napi::Env env, const Graph& graph, const std::vector<ValueId>& ids) {
  Napi::Array out = Napi::Array::New(env, ids.size());
  for (uint32_t i = 0; i < ids.size(); ++i) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("name", graph.value(ids[i]).name);
    setType(item, graph.type(ids[i]));
    out.Set(i, item);
  }
  return out;
}

Napi::Array toArray(Napi::Env env, const std::vector<std::string>& list) {
  Napi::Array out = Napi::Array::New(env, list.size());
  for (uint32_t i = 0; i < list.size(); ++i) out.Set(i, list[i]);
  return out;
}

}  // namespace

Napi::Object describePlan(Napi::Env env, const Plan& plan) {
  const Graph& graph = plan.graph();
  Napi::Array nodes = Napi::Array::New(env, plan.steps().size());
  double again = 0, flopsAgain = 0;
  for (uint32_t i = 0; i < plan.steps().size(); ++i) {
    const Napi::HandleScope scope(env);
    const PlanStep& step = plan.steps()[i];
    const Node& node = graph.nodes[static_cast<size_t>(step.node)];
    Napi::Object item = Napi::Object::New(env);
    item.Set("op", node.op->name);
    item.Set("name", node.name);
    item.Set("kernel", std::string(step.kernel->name()));
    item.Set("flops", step.kernel->flops());
    setType(item, graph.type(node.outputs[0]));
    item.Set("again", step.isAgain);
    if (step.isAgain) again += 1, flopsAgain += step.kernel->flops();
    nodes.Set(i, item);
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("inputs", describeValues(env, graph, graph.inputs));
  out.Set("outputs", describeValues(env, graph, graph.outputs));
  out.Set("device", plan.device()->name());
  const SpecialiseOptions& computed = plan.options().specialise;
  out.Set("precision", computed.products == DType::BF16 ? "bf16" : computed.products == DType::I8 ? "int8" : computed.precision == DType::F32 ? "f32" : "f64");
  out.Set("arenaBytes", static_cast<double>(plan.arenaBytes()));
  out.Set("weightBytes", static_cast<double>(plan.weightBytes()));
  out.Set("scratchBytes", static_cast<double>(plan.scratchBytes()));
  out.Set("nodes", nodes);
  if (plan.keptArenaBytes() != 0) {
    Napi::Object recomputed = Napi::Object::New(env);
    recomputed.Set("nodes", again);
    recomputed.Set("flops", flopsAgain);
    recomputed.Set("keptArenaBytes", static_cast<double>(plan.keptArenaBytes()));
    out.Set("recomputed", recomputed);
  }
  out.Set("fallbacks", toArray(env, plan.fallbacks()));
  out.Set("unconnected", toArray(env, plan.unconnected()));
  return out;
}

}  // namespace ascribe::addon
