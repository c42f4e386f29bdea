import { native } from '../native.js'
import type { Model } from './model.js'

/** What there is does not change while a process runs. */
let automatic: string | undefined

/** Whether plans of the model run on the processor, and not on a GPU. */
export function isOnProcessor({ device }: Pick<Model, 'device'>): boolean {
  automatic ??= native().engine().device
  return !(device === 'auto' ? automatic : device).startsWith('cuda')
}
