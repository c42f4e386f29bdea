import type { Command } from 'commander'
import type { ModelReport } from '../tools/inspect.js'
import { exitCodes } from './exitCodes.js'
import { addModelFlags, collect, type ModelFlags, openModel, readSizes } from './modelFlags.js'
import { runCommand, type Session } from './session.js'

interface InspectFlags extends ModelFlags {
  size?: string[]
  plan?: boolean
  gradient?: boolean
  layers?: boolean
  parameters?: boolean
}

export function addInspect(program: Command): void {
  addModelFlags(
    program
      .command('inspect <model>')
      .description('what a model is made of: inputs, outputs, operations, layers, parameters, memory, plan'),
  )
    .option('--size <NAME=n>', 'what a symbolic dimension stands for; may be given several times', collect)
    .option('--layers', 'list every layer with its shape; marks good ones for methods on layers')
    .option('--parameters', 'list every parameter')
    .option('--plan', 'print the compiled plan, one line a node')
    .option(
      '--gradient',
      'the plan of the gradient of the first output in the input, in place of that of the outputs',
    )
    .action(async (model: string, flags: InspectFlags) => {
      await runCommand(flags, session => inspect(session, model, flags))
    })
}

async function inspect(session: Session, path: string, flags: InspectFlags): Promise<number> {
  const [{ inspectModel }, { escapeTerminal }, { formatBytes }] = await Promise.all([
    import('../tools/inspect.js'),
    import('../report/escape.js'),
    import('../report/format.js'),
  ])
  const model = await openModel(path, flags)
  const sizes = await readSizes(flags.size ?? [])
  const report = await inspectModel(model, {
    sizes,
    plan: flags.plan === true,
    gradient: flags.gradient === true,
    signal: session.signal,
  })
  const { metadata, batchAxis, parameters, plan } = report
  const value = ({
    name,
    dtype,
    shape,
  }: {
    name: string
    dtype?: string
    shape?: readonly (number | string)[]
  }): string =>
    `  ${escapeTerminal(name)}  ${dtype ?? '?'} [${shape?.map(dim => escapeTerminal(String(dim))).join(', ') ?? '?'}]`
  const batch = {
    symbolic: () => `any size (${escapeTerminal((batchAxis as { symbol: string }).symbol)})`,
    fixed: () => `fixed at ${(batchAxis as { size: number }).size}`,
    none: () => 'none: the inputs share no leading axis',
  }
  const perPass = {
    free: batchAxis.kind === 'fixed' ? ', freed for passes of any number' : '',
    alone:
      batchAxis.kind === 'symbolic' ? '; examples of one batch change each other, so each goes alone' : '',
    unknown: '',
  }[report.examplesPerPass === undefined ? 'unknown' : report.examplesPerPass === 'any' ? 'free' : 'alone']
  const mark = (layer: string): string => {
    const kinds = report.suggestedLayers.flatMap(({ name, kind }) => (name === layer ? [kind] : []))
    return kinds.length > 0 ? `  <- ${kinds.join(', ')}` : ''
  }
  const at = Object.entries(report.sizes).map(([name, size]) => `${escapeTerminal(name)} = ${size}`)
  const lines = [
    escapeTerminal(report.name),
    report.hash,
    ...(metadata
      ? [
          `ONNX opset ${metadata.opset}, made by ${escapeTerminal(`${metadata.producer} ${metadata.producerVersion}`.trim()) || 'unknown'}`,
        ]
      : []),
    ...checkpointLines(report.checkpoint, escapeTerminal),
    '',
    'inputs',
    ...report.inputs.map(value),
    'outputs',
    ...report.outputs.map(value),
    `batch axis: ${batch[batchAxis.kind]()}${perPass}`,
    `operations: ${report.operations.map(({ op, count }) => `${op} ${count}`).join(', ')}`,
    `parameters: ${parameters.count} tensors, ${parameters.elements.toLocaleString('en')} elements, ${formatBytes(parameters.bytes)}`,
    ...(report.isStaged
      ? ['shapes depend on data: it runs in stages; layers and plan are those of the first']
      : []),
    ...(plan
      ? [
          `${flags.gradient ? 'plan of the gradient' : 'plan'}${at.length > 0 ? ` at ${at.join(', ')}` : ''}: ${plan.nodes.length} nodes, ${plan.gigaflops.toPrecision(3)} GFLOP, activations ${formatBytes(plan.arenaBytes)}, weights ${formatBytes(plan.weightBytes)}, scratch ${formatBytes(plan.scratchBytes)}, on ${plan.device}`,
        ]
      : []),
    ...(plan?.recomputed
      ? [
          `computed again: ${plan.recomputed.nodes} nodes, ${(plan.recomputed.flops / 1e9).toPrecision(3)} GFLOP of those; activations take ${formatBytes(plan.recomputed.keptArenaBytes)} where all are kept`,
        ]
      : []),
    ...(flags.layers
      ? ['', 'layers', ...report.layers.map(layer => `${value(layer)}  ${layer.op}${mark(layer.name)}`)]
      : []),
    ...(flags.parameters ? ['', 'parameters', ...parameters.list.map(value)] : []),
    ...(plan?.dump ? ['', plan.dump.split('\n').map(escapeTerminal).join('\n')] : []),
  ]
  session.result(report, lines.join('\n'))
  return exitCodes.ok
}

/** What a checkpoint says of itself. */
function checkpointLines(checkpoint: ModelReport['checkpoint'], safe: (text: string) => string): string[] {
  if (checkpoint === undefined) return []
  const { modelType, architecture, tokenizer, generation } = checkpoint
  const lines = [
    `checkpoint of type ${safe(modelType)}${architecture ? ` (${safe(architecture)})` : ''}, ${tokenizer ? 'with' : 'without'} a tokenizer`,
  ]
  if (generation === undefined) return lines
  const { vocabulary, contextLength, endTokens, ...rest } = generation
  const defaults = Object.entries(rest).map(([name, value]) => `, ${name} ${value}`)
  const context = contextLength === undefined ? 'a text of any length' : `${contextLength} tokens of context`
  return [
    ...lines,
    `generates: a vocabulary of ${vocabulary}, ${context}, ended by ${endTokens.length > 0 ? endTokens.join(', ') : 'nothing'}${defaults.join('')}`,
  ]
}
