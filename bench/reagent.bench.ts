// ReAGent with steps asked about ahead of time against one step after the other: the same scores, and how much sooner.
// On stories260K (a trained model of 260,000 parameters beside the repository) and on a random llama shape.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Attribution, loadModel, type Model, ReAGent } from '#lib/index.js'
import { quick } from './harness.js'

interface Case {
  readonly name: string
  readonly model: Model
  readonly prompt: string
  readonly maxSteps: number
}

const data = process.env.ASCRIBE_SHARED_DATA ?? resolve('../shared/data')
const folder = join(data, 'stories260k')

async function cases(): Promise<Case[]> {
  if (!existsSync(folder)) {
    console.log(`skipped: ${folder} is not there (set ASCRIBE_SHARED_DATA)`)
    return []
  }
  const model = await loadModel(join(folder, 'stories260K.bin'), { tokenizer: join(folder, 'tok512.bin') })
  const prompts = [
    'Once upon a time, there was a little girl named Lily. She loved to',
    'Tom had a red ball. He liked to kick the ball in the park. One day, Tom lost his',
  ]
  const maxSteps = quick ? 60 : 400
  return prompts.map(prompt => ({
    name: `stories260K, ${prompt.length} characters`,
    model,
    prompt,
    maxSteps,
  }))
}

const middle = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

/** User CPU and wall time of one call. */
async function timed(run: () => Promise<Attribution>) {
  const before = process.cpuUsage()
  const start = performance.now()
  const attribution = await run()
  const { user } = process.cpuUsage(before)
  return { attribution, wall: performance.now() - start, user: user / 1000 }
}

console.log('| case | steps | plain ms | ahead ms | ratio | CPU ratio | greatest difference of scores |')
console.log('|---|---|---|---|---|---|---|')
const all = await cases()
for (const { name, model, prompt, maxSteps } of all) {
  const method = (speculative: boolean) =>
    new ReAGent(model, { speculative, maxSteps, topK: 1, keep: 2, seed: 1 })
  for (const speculative of [true, false]) await method(speculative).attribute(prompt)
  const runs: { plain: Awaited<ReturnType<typeof timed>>; ahead: Awaited<ReturnType<typeof timed>> }[] = []
  for (let round = 0; round < (quick ? 3 : 9); round++)
    runs.push({
      plain: await timed(() => method(false).attribute(prompt)),
      ahead: await timed(() => method(true).attribute(prompt)),
    })
  const [{ plain, ahead }] = runs as [(typeof runs)[number]]
  const difference = Math.max(
    ...Array.from(plain.attribution.scores().data, (score, at) =>
      Math.abs(score - ahead.attribution.scores().data[at]!),
    ),
  )
  const steps = (plain.attribution.method.details as { steps: number[] }).steps
  const of = (side: 'plain' | 'ahead', what: 'wall' | 'user') => middle(runs.map(run => run[side][what]))
  const cells = [
    name,
    steps.join(' '),
    of('plain', 'wall').toFixed(0),
    of('ahead', 'wall').toFixed(0),
    `${middle(runs.map(run => run.plain.wall / run.ahead.wall)).toFixed(2)}x`,
    `${middle(runs.map(run => run.plain.user / run.ahead.user)).toFixed(2)}x`,
    difference.toExponential(1),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}
for (const { model } of all) model.tokenizer?.dispose()
