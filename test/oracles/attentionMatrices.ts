/** Attention as plain matrices in double, the slow way: [heads][row][column] of consecutive numbers. */
export const heads = (numbers: readonly number[], size: number): number[][][] =>
  Array.from({ length: numbers.length / size / size }, (_, head) =>
    Array.from({ length: size }, (_, row) =>
      Array.from({ length: size }, (_, column) => numbers[(head * size + row) * size + column]!),
    ),
  )
const times = (a: number[][], b: number[][]): number[][] =>
  a.map(row => b[0]!.map((_, column) => row.reduce((sum, value, k) => sum + value * b[k]![column]!, 0)))
const identity = (size: number): number[][] =>
  Array.from({ length: size }, (_, row) =>
    Array.from({ length: size }, (_, column) => (row === column ? 1 : 0)),
  )
export const meanOf = (matrices: number[][][]) =>
  matrices[0]!.map((row, i) =>
    row.map((_, j) => matrices.reduce((sum, matrix) => sum + matrix[i]![j]!, 0) / matrices.length),
  )
/** The whole product of (A + I), rows scaled to 1. */
export function rollout(layers: number[][][]): number[][] {
  return layers.reduce((product, layer) => {
    const with1 = layer.map((row, i) => row.map((value, j) => value + (i === j ? 1 : 0)))
    const scaled = with1.map(row => row.map(value => value / row.reduce((a, b) => a + b, 0)))
    return times(scaled, product)
  }, identity(layers[0]!.length))
}
/** The whole R of gradient x attention. */
export function relevance(layers: { attention: number[][][]; gradient: number[][][] }[]): number[][] {
  return layers.reduce<number[][]>((product, { attention, gradient }) => {
    const positive = meanOf(
      attention.map((matrix, h) =>
        matrix.map((row, i) => row.map((a, j) => Math.max(0, a * gradient[h]![i]![j]!))),
      ),
    )
    const step = times(positive, product)
    return product.map((row, i) => row.map((value, j) => value + step[i]![j]!))
  }, identity(layers[0]!.attention[0]!.length))
}
