#include "graph/passes/recompute.h"

#include <string>

#include "graph/passes/all.h"
#include "graph/passes/recompute_segments.h"
#include "runtime/error.h"
#include "runtime/memory.h"

namespace ascribe::passes {

namespace {

struct Candidate {
  Graph graph;
  Copies copies;
  size_t bytes = 0;
  double work = 0;
};

/// Less work is worth this share of the least memory.
constexpr double kWorthWork = 1.02;

class Search {
 public:
  Search(const Graph& graph, const Recomputation& wanted) : wanted_(wanted), waiting_(graph, wanted.steadyNodes(graph)) {
    if (waiting_.none()) return;
    for (size_t count = 2, cut = 0; count <= 256; count += std::max<size_t>(count / 3, 1)) {
      std::vector<size_t> cuts = waiting_.cuts(count);
      if (cuts.size() <= cut) break;  // there are no more places
      cut = cuts.size();
      cuts_.push_back(std::move(cuts));
    }
  }

  /// As little memory as can be, and not much more work than that needs.
  std::optional<Candidate> least() const {
    std::vector<Candidate> all;
    for (const std::vector<size_t>& cuts : cuts_) all.push_back(make(cuts, cuts.size()));
    std::optional<Candidate> out;
    size_t fewest = SIZE_MAX;
    for (const Candidate& each : all) fewest = std::min(fewest, each.bytes);
    for (Candidate& each : all)
      if (static_cast<double>(each.bytes) <= kWorthWork * static_cast<double>(fewest) && (!out || each.work < out->work)) out = std::move(each);
    return out;
  }

  /// What fits with the least work. Earlier segments wait longest, so they are the first to run twice.
  std::optional<Candidate> within(size_t budget) const {
    std::optional<Candidate> out;
    for (const std::vector<size_t>& cuts : cuts_) {
      size_t low = 1, high = cuts.size() + 1;  // the first number of segments that fits
      std::optional<Candidate> found;
      while (low < high) {
        const size_t middle = (low + high) / 2;
        // The last cut first: where that is too much, so is everything.
        const size_t segments = found || out ? middle : cuts.size();
        Candidate tried = make(cuts, segments);
        if (tried.bytes > budget) {
          low = segments + 1;
        } else {
          high = segments;
          found = std::move(tried);
        }
      }
      if (found && (!out || found->work < out->work)) out = std::move(found);
    }
    return out;
  }

 private:
  Candidate make(const std::vector<size_t>& cuts, size_t segments) const {
    Candidate out;
    out.graph = waiting_.recomputed(cuts, segments, out.copies);
    out.bytes = wanted_.arenaBytes(out.graph);
    std::vector<char> isCopy(out.graph.values.size(), 0);
    for (const auto& [copy, original] : out.copies) isCopy[static_cast<size_t>(copy)] = 1;
    for (const Node& node : out.graph.nodes)
      if (isCopy[static_cast<size_t>(node.outputs[0])]) out.work += workOf(out.graph, node);
    return out;
  }

  const Recomputation& wanted_;
  WaitingValues waiting_;
  std::vector<std::vector<size_t>> cuts_;
};

}  // namespace

/// Activations that only the gradient reads later are made again when it does, from what is kept at the ends of
/// segments (Chen et al., "Training deep nets with sublinear memory cost", 2016), by the same kernels.
bool recompute(Graph& graph, const PassContext& context) {
  if (context.recomputation == nullptr) return false;
  Recomputation& wanted = *context.recomputation;
  const size_t kept = wanted.arenaBytes(graph);
  if (wanted.budget && kept <= *wanted.budget) return false;
  const Search search(graph, wanted);
  std::optional<Candidate> found = wanted.budget ? search.within(*wanted.budget) : search.least();
  if (wanted.budget && !found) {
    const std::optional<Candidate> least = search.least();
    throw Error("OUT_OF_MEMORY_BUDGET",
                "activations take " + sizeText(least ? std::min(kept, least->bytes) : kept) + " at least, computed again where the gradient reads them; `recompute` allows " +
                    sizeText(*wanted.budget),
                "allow more, or give fewer examples or shorter inputs at once");
  }
  if (!found || found->bytes >= kept) return false;
  graph = std::move(found->graph);
  wanted.copies = std::move(found->copies);
  wanted.keptBytes = kept;
  return true;
}

}  // namespace ascribe::passes
