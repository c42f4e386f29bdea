import test from 'ava'
import { structuralSimilarity } from '../../bench/structuralSimilarity.js'

const width = 7
const at = (score: (row: number, column: number) => number) =>
  Float64Array.from({ length: width * width }, (_, place) => score(Math.floor(place / width), place % width))

test('a map is wholly like itself, however it is scaled or moved', t => {
  const map = at((row, column) => Math.sin(row * 3 + column * column))
  t.true(Math.abs(structuralSimilarity(map, map, width) - 1) < 1e-12)
  t.true(
    Math.abs(
      structuralSimilarity(
        map,
        map.map(score => 5 * score - 2),
        width,
      ) - 1,
    ) < 1e-12,
  )
})

test('a chessboard and its opposite have the closed form of one window', t => {
  const board = at((row, column) => (row + column) % 2)
  // 24 of 49 places are 1: means p and 1 - p, both variances p (1 - p), the covariance its negative.
  const p = 24 / 49
  const spread = p * (1 - p)
  const expected =
    ((2 * p * (1 - p) + 1e-4) * (-2 * spread + 9e-4)) / ((p ** 2 + (1 - p) ** 2 + 1e-4) * (2 * spread + 9e-4))
  t.true(
    Math.abs(
      structuralSimilarity(
        board,
        board.map(score => 1 - score),
        width,
      ) - expected,
    ) < 1e-12,
  )
})

test('a map of one value has nothing of a chessboard', t => {
  const p = 24 / 49
  const expected = (1e-4 * 9e-4) / ((p ** 2 + 1e-4) * (p * (1 - p) + 9e-4))
  const found = structuralSimilarity(
    at(() => 3),
    at((row, column) => (row + column) % 2),
    width,
  )
  t.true(Math.abs(found - expected) < 1e-15)
})

test('larger maps have the mean over every window of seven by seven', t => {
  const [columns, rows] = [9, 8]
  const map = (score: (row: number, column: number) => number) =>
    Float64Array.from({ length: rows * columns }, (_, place) => {
      const [row, column] = [Math.floor(place / columns), place % columns]
      // Both ends of the range, in all windows, each of which then has the range of the whole.
      return row === 4 && column === 4 ? 9 : row === 3 && column === 4 ? -9 : score(row, column)
    })
  const first = map((row, column) => 4 * Math.sin(row * row + 2.3 * column))
  const second = map((row, column) => 3 * Math.cos(row * 1.7 - column * column))
  const windows: number[] = []
  for (let top = 0; top + width <= rows; top++)
    for (let left = 0; left + width <= columns; left++) {
      const [a, b] = [first, second].map(scores =>
        at((row, column) => scores[(top + row) * columns + left + column]!),
      )
      windows.push(structuralSimilarity(a!, b!, width))
    }
  t.is(windows.length, 6)
  t.true(Math.max(...windows) - Math.min(...windows) > 0.01)
  const mean = windows.reduce((sum, each) => sum + each, 0) / windows.length
  t.true(Math.abs(structuralSimilarity(first, second, columns) - mean) < 1e-12)
})
