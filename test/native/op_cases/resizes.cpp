#include "op_cases/families.h"

namespace ascribe::test {

std::vector<OpCase> resizeCases() {
  std::vector<OpCase> cases;
  const Operand image = spaced({1, 2, 5, 4});
  const std::vector<double> uneven{1, 1, 1.7, .6};
  const auto scaled = [&](const std::string& note, const Attributes& how) {
    cases.push_back({"resize", note + ", scales", {image, given(DType::F32, {4}, uneven)}, how});
    cases.push_back({"resize", note + ", sizes", {image, none(), integerList({1, 2, 7, 3})}, how});
    Attributes resolved = how;
    resolved.set("resolvedScales", uneven);
    cases.push_back({"resizeGrad", note, {real({2, 1, 2, 8, 2}), real({1, 2, 5, 4})}, resolved});
  };
  const char* coordinates[] = {"halfPixel", "halfPixelSymmetric", "pytorchHalfPixel", "alignCorners", "asymmetric"};
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinate : coordinates) scaled(std::string(mode) + " " + coordinate, {{"mode", std::string(mode)}, {"coordinateMode", std::string(coordinate)}});
  for (const char* nearest : {"roundPreferFloor", "roundPreferCeil", "floor", "ceil"}) scaled(std::string("nearest ") + nearest, {{"nearestMode", std::string(nearest)}});
  scaled("cubic a", {{"mode", std::string("cubic")}, {"cubicCoefficient", -.5}});
  scaled("cubic excluding outside", {{"mode", std::string("cubic")}, {"excludeOutside", int64_t{1}}});
  for (const char* mode : {"linear", "cubic"}) scaled(std::string(mode) + " antialias", {{"mode", std::string(mode)}, {"antialias", int64_t{1}}});
  const Attributes crop{{"mode", std::string("linear")}, {"coordinateMode", std::string("cropAndResize")}, {"extrapolation", 7.5}};
  const Operand region = given(DType::F32, {8}, {0, 0, .1, .2, 1, 1, .8, 1.3});
  cases.push_back({"resize", "a region that leaves the picture", {image, none(), integerList({1, 2, 4, 6}), region}, crop, 1, Derivatives::First});
  cases.push_back({"resize", "one axis", {real({2, 1, 6}), none(), integerList({2, 1, 9})}, {{"mode", std::string("linear")}}});
  cases.push_back({"resize", "three axes", {real({1, 1, 2, 3, 2}), none(), integerList({1, 1, 3, 2, 4})}, {{"mode", std::string("linear")}}});
  cases.push_back({"resize", "batch and channels too", {real({2, 2, 3}), none(), integerList({3, 1, 5})}, {{"mode", std::string("linear")}}, 1, Derivatives::First});
  cases.push_back(valuesOnly({"resize", "odd", {real({2, 19, 13, 23}), none(), integerList({2, 19, 29, 17})}, {{"mode", std::string("linear")}}}));
  cases.push_back({"resize", "u8", {whole(DType::U8, {1, 1, 3, 4}, 0, 255), none(), integerList({1, 1, 6, 8})}});
  cases.push_back(timed({"resize", "timed, nearest", {real({2, 64, 28, 28}), none(), integerList({2, 64, 56, 56})}, {{"coordinateMode", std::string("asymmetric")}}}));
  cases.push_back(timed({"resize", "timed, linear", {real({2, 64, 28, 28}), none(), integerList({2, 64, 56, 56})}, {{"mode", std::string("linear")}}}));
  return cases;
}

}  // namespace ascribe::test
