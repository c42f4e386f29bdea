import test from 'ava'
import { RandomStream } from '#lib/games/randomStream.js'
import { type PackedPlan, planPacked, type TextRows } from '#lib/language/textRows/planPacked.js'

const text = (ids: number[], firstRow = ids.length - 1): TextRows => ({ ids, firstRow, endRow: ids.length })

/** Runs a plan with texts in the place of keys: a slot holds all that its token has read, itself the last. */
function played(plan: PackedPlan, chunk: number): Map<string, string> {
  const slots: string[] = []
  const rows = new Map<string, string>()
  for (const run of plan.runs) {
    const written: string[] = []
    let at = 0
    for (const segment of run.segments) {
      if (segment.at !== at) throw new Error(`a segment begins at ${segment.at}, not at ${at}`)
      const before = segment.before.flatMap(({ start, end }) => slots.slice(start, end))
      if (before.length !== segment.position) throw new Error('a token stands elsewhere than it says')
      let all = before.at(-1) ?? ''
      for (const [k, own] of before.entries())
        if (
          own !==
          all
            .split(' ')
            .slice(0, k + 1)
            .join(' ')
        )
          throw new Error('a slot holds another text')
      for (const id of segment.ids) {
        all = all === '' ? `${id}` : `${all} ${id}`
        written.push(all)
        slots[run.first + at++] = all
      }
    }
    if (at !== run.tokens || at > chunk) throw new Error(`${at} tokens in a run of ${run.tokens}`)
    for (const row of run.rows) {
      const key = `${row.text}:${row.position}`
      if (rows.has(key)) throw new Error(`the row ${key} comes twice`)
      rows.set(key, written[row.at]!)
    }
  }
  return rows
}

function check(texts: readonly TextRows[], chunk: number): PackedPlan {
  const plan = planPacked(texts, chunk)
  const rows = played(plan, chunk)
  const beginnings = new Set<string>()
  let wanted = 0
  for (const [at, { ids, firstRow, endRow }] of texts.entries()) {
    for (let row = 0; row < endRow; row++) beginnings.add(ids.slice(0, row + 1).join(' '))
    for (let row = firstRow; row < endRow; row++, wanted++) {
      const expected = ids.slice(0, row + 1).join(' ')
      if (rows.get(`${at}:${row}`) !== expected)
        throw new Error(`row ${row} of text ${at} has read ${rows.get(`${at}:${row}`)}, not ${expected}`)
    }
  }
  if (rows.size !== wanted) throw new Error(`${rows.size} rows, and ${wanted} are wanted`)
  // Every beginning is read once.
  if (plan.tokens !== beginnings.size) throw new Error(`${plan.tokens} tokens of ${beginnings.size}`)
  const longest = Math.max(...texts.map(({ endRow }) => endRow))
  if (plan.slots > longest + 3 * chunk) throw new Error(`${plan.slots} slots for ${longest} tokens`)
  return plan
}

test('every beginning is read once, and every token reads its own text', t => {
  const random = new RandomStream(7, 0, 0)
  const draw = (below: number) => Math.floor(random.uniform() * below)
  for (let round = 0; round < 300; round++) {
    const letters = 1 + draw(3)
    const texts = Array.from({ length: 1 + draw(12) }, () => {
      const ids = Array.from({ length: 1 + draw(40) }, () => draw(letters))
      const firstRow = draw(ids.length)
      return { ids, firstRow, endRow: firstRow + 1 + draw(ids.length - firstRow) }
    })
    t.notThrows(() => check(texts, 1 + draw(20)), `round ${round}`)
  }
})

test('texts that are left out one by one: each pays for what stands behind it', t => {
  // 10 texts of 6 tokens behind 8 tokens, and 5 tokens at the end.
  const pieces = Array.from({ length: 10 }, (_, at) => Array.from({ length: 6 }, (_, k) => 100 + 6 * at + k))
  const without = (left: number) =>
    text([...new Array<number>(8).fill(1), ...pieces.filter((_, at) => at !== left).flat(), 2, 2, 2, 2, 2])
  const plan = check([-1, ...pieces.keys()].map(without), 32)
  // All of it once (73), then for text k the 9 - k texts behind it and the end.
  t.is(plan.tokens, 73 + Array.from(pieces.keys(), k => 6 * (9 - k) + 5).reduce((a, b) => a + b))
})

test('short texts share a run, and nothing lies between them', t => {
  const texts = [3, 9, 5, 7].map((length, at) => text(new Array<number>(length).fill(at)))
  const plan = check(texts, 512)
  t.is(plan.runs.length, 1)
  t.is(plan.tokens, 24)
  t.is(plan.slots, 24)
})

test('equal texts and texts that go on are no further work', t => {
  const plan = check([text([1, 2, 3]), text([1, 2, 3]), text([1, 2]), text([1, 2, 3, 4])], 8)
  t.is(plan.tokens, 4)
  t.is(plan.runs[0]!.rows.length, 4)
  t.deepEqual(planPacked([], 8), { runs: [], tokens: 0, slots: 0 })
})
