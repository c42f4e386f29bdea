import type { AnswerTrace } from '../context/answerTrace.js'
import type { AnswerQuote } from '../context/quoteAnswer.js'
import type { TextGenerator } from '../language/services.js'

/** Flags of `trace` for words of the answer. */
export interface QuoteFlags {
  quote?: string[]
  quoteMethod?: string
  quoteWithin?: string
  endpoint?: string
  endpointModel?: string
}

/** The spans that support words of the answer. */
export async function quoted(
  found: AnswerTrace,
  quotes: readonly string[],
  method: 'states' | 'prompt',
  within: 'sources' | 'documents',
  endpoint: { address: string; model: string } | undefined,
  signal: AbortSignal,
): Promise<AnswerQuote[]> {
  const [{ quoteAnswer }, { HiddenStateLaquer }, { PromptLaquer }, { Generator }] = await Promise.all([
    import('../context/quoteAnswer.js'),
    import('../methods/localised/hiddenStateLaquer.js'),
    import('../methods/localised/promptLaquer.js'),
    import('../language/generator.js'),
  ])
  const { model } = found.prompt
  const generator = endpoint === undefined ? new Generator(model) : await remoteGenerator(endpoint)
  const laquer = method === 'states' ? new HiddenStateLaquer(model) : new PromptLaquer(generator)
  return quoteAnswer(found, laquer, quotes, { within, signal })
}

/** The endpoint that is asked; undefined: the model itself is. @throws AscribeError OPTION_RANGE */
export function endpointOf(
  { endpoint, endpointModel }: QuoteFlags,
  method: 'states' | 'prompt',
  Failure: typeof import('../errors.js').AscribeError,
): { address: string; model: string } | undefined {
  if (endpoint === undefined && endpointModel === undefined) return undefined
  if (endpoint === undefined || endpointModel === undefined || method !== 'prompt')
    throw new Failure(
      'OPTION_RANGE',
      '--endpoint and --endpoint-model go together, with --quote-method prompt',
    )
  return { address: endpoint, model: endpointModel }
}

/** The key is in the environment: flags are seen by every user of a machine. */
async function remoteGenerator({
  address,
  model,
}: {
  address: string
  model: string
}): Promise<TextGenerator> {
  const [{ LanguageEndpoint }, { RemoteGenerator }] = await Promise.all([
    import('../language/remote/endpoint.js'),
    import('../language/remote/remoteGenerator.js'),
  ])
  const key = process.env.ASCRIBE_ENDPOINT_KEY
  const headers = key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } }
  return new RemoteGenerator(new LanguageEndpoint(address, { model, ...headers }))
}
