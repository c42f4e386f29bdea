import type { NativeAddon, NativeStorage } from '#typings/addon.js'
import { type ImportedModel, importModel } from './importModel.js'

export interface OnnxOptions {
  /**
   * 'map' (default) reads weights from the file when they are needed, 'copy' at once. A mapped file must not be
   * written to while the model is in use.
   */
  weights?: 'map' | 'copy'
}

/** An imported model with the storage of its file, which stays open while its weights are in use. */
export interface OnnxModel extends ImportedModel {
  readonly storage: NativeStorage
}

/**
 * Reads an ONNX model: the file is scanned natively for its weights, the rest decoded here. Neither holds up the
 * event loop, and no weight becomes a JavaScript object.
 *
 * @param source path of a file, or its bytes (which must not change afterwards, and cannot have external data).
 * @throws AscribeError FILE_NOT_FOUND, FILE_CORRUPT, MODEL_INVALID or MODEL_UNSUPPORTED_OP.
 */
export async function loadOnnx(
  addon: NativeAddon,
  source: string | Uint8Array,
  options: OnnxOptions = {},
): Promise<OnnxModel> {
  const storage =
    typeof source === 'string'
      ? addon.openStorage(source, { weights: options.weights ?? 'map' })
      : addon.storageFromBuffer(source)
  const { skeleton, payloads } = await addon.scanOnnx(storage).promise
  const imported = await importModel(skeleton, payloads, bytes => addon.storageFromBuffer(bytes))
  return { ...imported, storage }
}
