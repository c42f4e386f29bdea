import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { exitCodes } from './exitCodes.js'
import { addModelFlags, collect, type ModelFlags, openModel } from './modelFlags.js'
import { runCommand, type Session } from './session.js'

interface RunFlags extends ModelFlags {
  input: string[]
  output?: string[]
  profile?: string | true
  guard: boolean
}

export function addRun(program: Command): void {
  addModelFlags(
    program.command('run <model>').description('compute outputs, or any named value inside the model'),
    'f32, bf16 (factors of products are rounded), int8 (rows are, where weights are in blocks), or f64: the reference kernels in double precision',
  )
    .requiredOption('--input <NAME=FILE.npy>', 'a tensor for an input; may be given several times', collect)
    .option(
      '--output <NAME=FILE.npy>',
      'where a value goes; may be given several times (default: describe all outputs)',
      collect,
    )
    .option('--profile [trace.json]', 'time every node; with a file, a trace for chrome://tracing')
    .option('--no-guard', 'let NaN and infinity pass')
    .action(async (model: string, flags: RunFlags) => {
      await runCommand(flags, session => run(session, model, flags))
    })
}

async function run(session: Session, path: string, flags: RunFlags): Promise<number> {
  const [{ namedFiles, readNamedTensors }, { writeNpy }, { computePrecisions }, { expectOneOf }] =
    await Promise.all([
      import('./inputs.js'),
      import('../data/npy.js'),
      import('../model/precision.js'),
      import('../validate.js'),
    ])
  const precision = expectOneOf('--precision', flags.precision ?? 'f32', [...computePrecisions, 'f64'])
  const files = namedFiles('--output', flags.output ?? [])
  const inputs = await readNamedTensors('--input', flags.input)
  const model = await openModel(path, precision === 'f64' ? { ...flags, precision: undefined } : flags)
  const { outputs, milliseconds, peakBytes, profile, recording } = await model.run(inputs, {
    ...(files.size > 0 ? { outputs: [...files.keys()] } : {}),
    precision,
    guard: flags.guard,
    profile: flags.profile !== undefined,
    signal: session.signal,
  })
  for (const [name, file] of files) await writeNpy(file, outputs[name]!)
  if (typeof flags.profile === 'string') {
    const { chromeTrace } = await import('../tools/profile.js')
    await writeFile(flags.profile, JSON.stringify(chromeTrace(profile ?? [])))
  }
  const described = Object.entries(outputs).map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape,
    ...(files.has(name) ? { file: files.get(name) } : {}),
  }))
  const lines = described.map(
    ({ name, dtype, shape, file }) => `${name}  ${dtype} [${shape.join(', ')}]${file ? ` -> ${file}` : ''}`,
  )
  if (profile) {
    const [{ profileTable }, { native }, { escapeTerminal }] = await Promise.all([
      import('../tools/profile.js'),
      import('../native.js'),
      import('../report/escape.js'),
    ])
    lines.push('', profileTable(profile), '', `kernels called cpu-…: ${native().engine().isa}`)
    if (recording) lines.push('', escapeTerminal(recording))
  }
  session.result(
    {
      outputs: described,
      milliseconds,
      peakBytes,
      ...(profile ? { profile } : {}),
      ...(recording ? { recording } : {}),
    },
    [...lines, `${milliseconds.toFixed(2)} ms`].join('\n'),
  )
  return exitCodes.ok
}
