#pragma once
#include <map>
#include <memory>
#include <string>

#include "bytes.h"
#include "graph/graph.h"
#include "runtime/parameters.h"
#include "runtime/plan.h"

namespace ascribe::fuzz {

/// What a caller of the addon can describe: a graph, weights of its parameters, and options of a plan.
struct Described {
  Graph graph;
  std::shared_ptr<Parameters> parameters = std::make_shared<Parameters>();
  CompileOptions options;
  std::map<std::string, int64_t> runLengths;
};

/// Any graph that the addon's reader would hand to verify(), and some that verify() must refuse. Nothing in it is
/// larger than a few kilobytes, whatever its shapes claim.
Described graphFromBytes(Bytes& bytes);

/// Elements of all kinds for a tensor, few of them enormous. Files have theirs at any address, typed arrays do not.
HostTensor tensorFromBytes(Bytes& bytes, DType dtype, const Shape& shape, bool anyAddress);

}  // namespace ascribe::fuzz
