/**
 * Writes a range of texts for the training script, one JSON document a line:
 * `node build/ts/models/reviews/dump.js --out FILE --seed S --from I --count N [--town POLICY] [--plain SHARE]`
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { generateReview, type TownPolicy } from './generator.js'

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '0' },
    count: { type: 'string' },
    town: { type: 'string', default: 'none' },
    plain: { type: 'string', default: '0' },
  },
})
const { out, seed, count } = values
if (out === undefined || seed === undefined || count === undefined)
  throw new Error('--out, --seed and --count are required')
const first = Number(values.from)
const lines = Array.from({ length: Number(count) }, (_, at) =>
  JSON.stringify(
    generateReview(first + at, {
      seed: Number(seed),
      town: values.town as TownPolicy,
      plainShare: Number(values.plain),
    }),
  ),
)
writeFileSync(out, `${lines.join('\n')}\n`)
