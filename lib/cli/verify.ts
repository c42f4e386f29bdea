import type { Command } from 'commander'
import { exitCodes } from './exitCodes.js'
import { addModelFlags, collect, type ModelFlags, openModel, readSizes, wholeNumber } from './modelFlags.js'
import { startProgress } from './progress.js'
import { runCommand, type Session } from './session.js'

interface VerifyFlags extends ModelFlags {
  input?: string[]
  size?: string[]
  seed: string
  tolerance: string
}

const worst = 10
const maximumFileBytes = 2 ** 31 - 1

export function addVerify(program: Command): void {
  addModelFlags(
    program
      .command('verify <model>')
      .description('compare every value inside a model with ONNX Runtime, and name the first that differs'),
  )
    .option('--input <NAME=FILE.npy>', 'a tensor for an input; default seeded random ones', collect)
    .option('--size <NAME=n>', 'what a symbolic dimension stands for; may be given several times', collect)
    .option('--seed <n>', 'of the random inputs', '0')
    .option(
      '--tolerance <error>',
      'greatest max|a-b| / max|b| of an output that counts as equal; ten times as much inside',
      '1e-5',
    )
    .action(async (model: string, flags: VerifyFlags) => {
      await runCommand(flags, session => verify(session, model, flags))
    })
}

async function verify(session: Session, path: string, flags: VerifyFlags): Promise<number> {
  const [{ verifyModel }, { readNamedTensors }, { readFileBounded }, { escapeTerminal }, { expectNumber }] =
    await Promise.all([
      import('../tools/verify.js'),
      import('./inputs.js'),
      import('../data/files.js'),
      import('../report/escape.js'),
      import('../validate.js'),
    ])
  const inputs = await readNamedTensors('--input', flags.input ?? [])
  const tolerance = expectNumber('--tolerance', Number(flags.tolerance), 0)
  const model = await openModel(path, flags)
  if (model.checkpoint !== undefined) {
    const { AscribeError } = await import('../errors.js')
    throw new AscribeError(
      'MODEL_CAPABILITY',
      `${model.name} is a checkpoint, which ONNX Runtime does not read`,
      {
        hint: 'verify compares ONNX files with ONNX Runtime.',
      },
    )
  }
  const progress = await startProgress('comparing', !session.isJson)
  const report = await verifyModel(model, await readFileBounded(path, maximumFileBytes), {
    ...(Object.keys(inputs).length > 0 ? { inputs } : {}),
    sizes: await readSizes(flags.size ?? []),
    seed: await wholeNumber('--seed', flags.seed, 0, 2 ** 31),
    tolerance,
    signal: session.signal,
    onProgress: progress.update,
  }).finally(progress.stop)
  const { firstDivergence, passesToBlame } = report
  const line = ({ name, op, error, shape }: (typeof report.values)[number]): string =>
    `  ${error.toExponential(2).padStart(9)}  ${escapeTerminal(name)}  ${op} [${shape.join(', ')}]`
  const lines = [
    `${report.values.length} values against ${report.runtime}; error is max|a-b| / max|b|`,
    'outputs',
    ...report.outputs.map(line),
    `worst ${Math.min(worst, report.values.length)} inside`,
    ...[...report.values]
      .sort((a, b) => b.error - a.error)
      .slice(0, worst)
      .map(line),
    firstDivergence === undefined
      ? `equal: no output is off by more than ${tolerance}, nothing inside by more than ${report.innerTolerance}`
      : `DIFFERS, first at ${escapeTerminal(firstDivergence.name)} (${firstDivergence.op}): ${firstDivergence.error.toExponential(2)}`,
    ...(passesToBlame.length > 0
      ? [`without the pass ${passesToBlame.join(' or ')} the outputs are equal`]
      : []),
  ]
  session.result(report, lines.join('\n'))
  return firstDivergence === undefined ? exitCodes.ok : exitCodes.differs
}
