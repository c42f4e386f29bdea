/** How the models of each folder of the ONNX project's conformance suite fare; conformance.test.ts holds them to it. */
export const conformance = {
  simple: { passed: 7, refused: 16 },
  'pytorch-converted': { passed: 81, refused: 0 },
  light: { passed: 5, refused: 0 },
}
