import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTensor, loadModel, type Model } from '#lib/index.js'
import { repositoryRoot } from './repository.js'

/** Small exported models and what peers made of them; scripts and versions lie beside them. */
const folder = join(repositoryRoot, 'test/fixtures/peers')

export const readPeers = <T>(file: string): T => JSON.parse(readFileSync(join(folder, file), 'utf8')) as T

export const loadPeerModel = (name: string): Promise<Model> => loadModel(join(folder, `${name}.onnx`))

/** The first picture of recorded numbers, as the models of record.py read it. */
export const peerPicture = (numbers: readonly number[]) =>
  createTensor('f32', [1, 3, 12, 12], Float32Array.from(numbers.slice(0, 432)))
