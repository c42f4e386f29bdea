#include "op_cases/families.h"

namespace ascribe::test {

std::vector<OpCase> reductionCases() {
  std::vector<OpCase> cases;
  const std::pair<const char*, Integers> axes[] = {{"all", {}}, {"first", {0}}, {"middle", {1}}, {"last", {-1}}, {"outer", {0, 2}}, {"trailing", {1, 2}}};
  for (const char* op : {"sum", "mean", "reduceMax", "reduceMin", "prod"}) {
    for (const int64_t keep : {0, 1})
      for (const auto& [note, which] : axes) {
        const Attributes how{{"axes", which}, {"keepDims", keep}};
        const std::string name = std::string(note) + (keep ? ", kept" : "");
        cases.push_back({op, name, {spaced({2, 3, 4})}, how});
        cases.push_back(valuesOnly({op, name + ", odd", {real({5, 7, 19}, .6, 1.4)}, how}));
      }
    cases.push_back({op, "one element", {real({1, 1})}, {{"axes", Integers{1}}}});
    cases.push_back({op, "scalar", {real({})}});
    cases.push_back(valuesOnly({op, "kept axis is empty", {real({0, 3})}, {{"axes", Integers{1}}}}));
    cases.push_back(valuesOnly({op, "five axes", {real({2, 3, 2, 3, 5}, .6, 1.4)}, {{"axes", Integers{1, 3}}}}));
    for (const DType dtype : {DType::I64, DType::I32})
      cases.push_back({op, std::string(nameOf(dtype)), {whole(dtype, {3, 4, 5}, -3, 3)}, {{"axes", Integers{1}}}});
  }
  for (const char* op : {"sum", "prod"}) cases.push_back(valuesOnly({op, "over nothing", {real({3, 0})}, {{"axes", Integers{1}}}}));
  for (const std::vector<double>& values : {std::vector<double>{2, 0, 3, 4}, {0, 0, 3, 4}, {1, 2, 3, 0}})
    cases.push_back({"prod", "with zeros", {given(DType::F32, {4}, values)}, {{"axes", Integers{0}}, {"keepDims", int64_t{0}}}});
  cases.push_back(timed({"mean", "timed, planes", {real({8, 512, 28, 28})}, {{"axes", Integers{2, 3}}}}));
  cases.push_back(timed({"sum", "timed, rows", {real({1024, 4096})}, {{"axes", Integers{-1}}}}));
  cases.push_back(timed({"sum", "timed, columns", {real({1024, 4096})}, {{"axes", Integers{0}}}}));
  cases.push_back(timed({"reduceMax", "timed, rows", {real({1024, 4096})}, {{"axes", Integers{-1}}}}));

  for (const char* op : {"argMax", "argMin"})
    for (const int64_t axis : {0, 1, -1})
      for (const int64_t last : {0, 1}) {
        const Attributes how{{"axis", axis}, {"keepDims", last}, {"selectLast", last}};
        const std::string note = "axis " + std::to_string(axis) + (last ? ", the last of equals" : "");
        cases.push_back({op, note, {spaced({3, 4, 5})}, how});
        cases.push_back({op, note + ", i64 with ties", {whole(DType::I64, {3, 4, 5}, 0, 2)}, how});
      }
  cases.push_back(timed({"argMax", "timed", {real({256, 1000})}, {{"axis", int64_t{1}}}}));

  for (const char* op : {"reduceMax", "reduceMin"})
    for (const int64_t keep : {0, 1})
      for (const auto& [note, which] : axes) {
        const Attributes how{{"axes", which}, {"keepDims", keep}};
        Shape reduced{2};
        const auto drops = [&which = which](int64_t axis) {
          for (const int64_t a : which)
            if (a == axis || a + 3 == axis) return true;
          return which.empty();
        };
        const int64_t sizes[] = {2, 3, 4};
        for (int64_t axis = 0; axis < 3; ++axis) {
          if (!drops(axis)) reduced.push(sizes[axis]);
          else if (keep) reduced.push(1);
        }
        Operand x = spaced({2, 3, 4});
        x.chooses = true;
        cases.push_back({"extremumGrad", std::string(op) + " " + note + (keep ? ", kept" : ""), {real(reduced), x, computed(op, {1}, how)}, how});
      }

  for (const int64_t exclusive : {0, 1})
    for (const int64_t reverse : {0, 1}) {
      const Attributes how{{"axis", int64_t{-2}}, {"exclusive", exclusive}, {"reverse", reverse}};
      const std::string note = std::string(exclusive ? "exclusive " : "") + (reverse ? "reverse" : "");
      cases.push_back({"cumSum", note, {real({2, 3, 4})}, how});
      cases.push_back({"cumProd", note, {real({2, 3, 4})}, how});
      cases.push_back({"cumProd", note + " i64", {whole(DType::I64, {2, 3, 4}, -3, 3)}, how});
      cases.push_back({"cumSum", note + " i64", {whole(DType::I64, {2, 3, 4}, -9, 9)}, how});
    }
  cases.push_back({"cumProd", "last axis", {real({3, 4})}, {{"axis", int64_t{1}}}});
  cases.push_back({"cumProd", "zeros", {given(DType::F32, {2, 3}, {2, 0, 3, 0, 0, -1})}, {{"axis", int64_t{1}}}});
  cases.push_back({"sum", "axes given", {real({2, 3, 4}), integerList({0, -1})}});
  cases.push_back({"sum", "no axes given, which is none", {real({2, 3}), integerList({})}, {{"noopWithEmptyAxes", int64_t{1}}}});
  cases.push_back({"sum", "no axes given, which is all", {real({2, 3}), integerList({})}});
  cases.push_back({"cumSum", "last axis", {real({3, 7})}, {{"axis", int64_t{1}}}});

  cases.push_back({"sumTo", "two axes", {real({2, 3, 4}), real({1, 4})}});
  cases.push_back({"sumTo", "scalar", {real({2, 3}), real({})}});
  cases.push_back({"sumTo", "kept leading", {real({2, 3, 4}), real({4})}, {{"leading", int64_t{1}}}});
  cases.push_back({"sumTo", "inner", {real({2, 3, 2, 2}), real({3, 1, 1})}, {{"leading", int64_t{1}}}});
  cases.push_back({"sumTo", "nothing to sum", {real({2, 3}), real({2, 3})}});
  cases.push_back(valuesOnly({"sumTo", "odd", {real({3, 5, 7, 11}), real({7, 1})}, {{"leading", int64_t{1}}}}));
  for (const auto& [note, x, like] : {std::tuple{"planes", Shape{3, 5, 7, 11}, Shape{5, 1, 1}}, std::tuple{"rows", Shape{2, 6, 40}, Shape{6, 1}},
                                      std::tuple{"columns", Shape{2, 9, 37}, Shape{37}}, std::tuple{"everything", Shape{2, 3, 4}, Shape{}}, std::tuple{"apart", Shape{1, 4, 3, 5, 6}, Shape{1, 3, 1, 6}}})
    cases.push_back(valuesOnly({"scaleGrad", note, {real(x), real(x), real(like)}, {{"leading", int64_t{1}}}}));
  cases.push_back(timed({"sumTo", "timed, bias", {real({1, 8, 64, 56, 56}), real({64, 1, 1})}, {{"leading", int64_t{1}}}}));
  return cases;
}

}  // namespace ascribe::test
