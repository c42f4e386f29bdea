import { native } from '../native.js'
import type { Model } from './model.js'

/** What there is does not change while a process runs. */
let hasGpu: boolean | undefined

/** Whether plans of the model run on the processor, and not on a GPU. */
export function isOnProcessor({ device }: Pick<Model, 'device'>): boolean {
  hasGpu ??= native()
    .engine()
    .backends.some(({ name, available }) => name === 'cuda' && available)
  return !device.startsWith('cuda') && !(device === 'auto' && hasGpu)
}
