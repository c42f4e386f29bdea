import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { loadTokenizer } from '#lib/index.js'
import { repositoryRoot } from '../../oracles/repository.js'

interface Recorded {
  ids: number[]
  tokens: string[]
  offsets: [number, number][]
  special: number[]
}
const folder = join(repositoryRoot, 'test/fixtures/tokenizers')
const { texts, encodings } = JSON.parse(readFileSync(join(folder, 'recorded.json'), 'utf8')) as {
  texts: string[]
  encodings: Record<string, Recorded[]>
}

/** Offsets of the reference are in code points. */
function units(text: string): number[] {
  const at = [0]
  for (const character of text) at.push(at.at(-1)! + character.length)
  return at
}
function trimmed(text: string, start: number, end: number): [number, number] {
  const own = text.slice(start, end)
  if (own.trim() === '') return [start, end]
  return [start + own.length - own.trimStart().length, end - (own.length - own.trimEnd().length)]
}

for (const [kind, recorded] of Object.entries(encodings))
  test(`${kind}: ids are those of the reference, and so are offsets`, async t => {
    const tokenizer = await loadTokenizer(join(folder, `${kind}.json`))
    for (const [at, text] of texts.entries()) {
      const { ids, tokens, offsets, special } = recorded[at]!
      const encoding = await tokenizer.encode(text)
      t.deepEqual(encoding.ids, ids, text)
      const unit = units(text)
      for (const [index, own] of encoding.offsets.entries()) {
        if (special[index] === 1) {
          t.is(own, null)
          continue
        }
        const [start, end] = offsets[index]!
        const expected = trimmed(text, unit[start]!, unit[end]!)
        const isWhite = /^[\u0120\u2581]+$/.test(tokens[index]!) && text.slice(own![0], own![1]).trim() === ''
        // A token of white space, or of a space put in front, is no text: the reference has it at a neighbour.
        if (own![0] === expected[0] && own![1] === expected[1]) t.pass()
        else if (isWhite) t.true(Math.abs(own![0] - expected[0]) <= 1)
        // Nor does the reference say where a letter is whose space was put in front of it behind another token.
        else if (expected[0] === expected[1]) t.deepEqual([own, tokens[index]], [[25, 26], '\u0120a'])
        // What was composed of two characters is both of them; the reference has the first alone.
        else if (text.slice(...own!) === 'e\u0301') t.deepEqual(expected, [own![0], own![0] + 1])
        else t.deepEqual(own, expected, `${tokens[index]} of ${text}`)
      }
    }
    tokenizer.dispose()
  })
