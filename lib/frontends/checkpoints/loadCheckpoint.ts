import { join } from 'node:path'
import type { GraphDescription, NativeAddon, NativeStorage } from '#typings/addon.js'
import { readFileBounded } from '../../data/files.js'
import type { ChatTemplate } from './chatTemplate.js'
import { type Config, parseConfig } from './config.js'
import { familyOf } from './families.js'
import { architecture, type CausalDecoder, type CheckpointValue } from './family.js'
import { type GenerationDefaults, generationDefaults, readGenerationDefaults } from './generationConfig.js'
import { Network } from './network.js'
import { openWeights } from './openWeights.js'
import type { CheckpointWeights, ParameterEntry } from './weights.js'

const maximumConfigBytes = 16 << 20

/** What a model knows about the checkpoint that it came from. */
export interface Checkpoint {
  /** The folder, or the path of the file. */
  readonly path: string
  readonly modelType: string
  /** The class that the weights are of, '' where config.json does not say. */
  readonly architecture: string
  readonly config: Config
  readonly weights: CheckpointWeights
  /** Present where the model generates. */
  readonly decoder?: CausalDecoder
  readonly generation?: GenerationDefaults
  /** Where the file of the weights holds it too; else it is read from the folder. */
  readonly chatTemplate?: ChatTemplate
}

/** A checkpoint in the graph language. */
export interface CheckpointModel {
  readonly graph: GraphDescription
  readonly inputs: CheckpointValue[]
  readonly outputs: CheckpointValue[]
  readonly parameters: ParameterEntry[]
  readonly storages: readonly NativeStorage[]
  readonly labels?: readonly string[]
  readonly checkpoint: Checkpoint
}

/** Reads config.json of a folder. */
export async function readConfig(folder: string): Promise<Config> {
  const path = join(folder, 'config.json')
  return parseConfig(new TextDecoder().decode(await readFileBounded(path, maximumConfigBytes)), 'config.json')
}

/**
 * Reads a Hugging Face checkpoint folder: config.json decides the graph, model.safetensors (in one file or several)
 * holds the weights, which stay ranges of the mapped files.
 *
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT; MODEL_INVALID where config.json holds an impossible value or does
 *   not fit the weights; MODEL_UNSUPPORTED_OP for models that are not known.
 */
export async function loadCheckpoint(
  addon: NativeAddon,
  folder: string,
  options: { weights?: 'map' | 'copy' } = {},
): Promise<CheckpointModel> {
  const config = await readConfig(folder)
  const { weights, storages } = await openWeights(addon, folder, options.weights ?? 'map')
  const built = buildCheckpoint(folder, config, weights)
  const { checkpoint } = built
  const generation = checkpoint.decoder ? { generation: await readGenerationDefaults(folder, config) } : {}
  return { ...built, checkpoint: { ...checkpoint, ...generation }, storages }
}

/** The model that config.json and weights describe. */
export function buildCheckpoint(
  path: string,
  config: Config,
  weights: CheckpointWeights,
): Omit<CheckpointModel, 'storages'> {
  const family = familyOf(config)
  const net = new Network(weights)
  const built = family.build(net, config)
  const decoder = family.decoder?.(config, weights)
  return {
    graph: net.graph.build(built.outputs.map(({ value }) => value)),
    inputs: built.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    outputs: built.outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    parameters: weights.parameters,
    ...(built.labels ? { labels: built.labels } : {}),
    checkpoint: {
      path,
      modelType: config.text('model_type'),
      architecture: architecture(config),
      config,
      weights,
      ...(decoder ? { decoder, generation: generationDefaults(config, undefined) } : {}),
    },
  }
}
