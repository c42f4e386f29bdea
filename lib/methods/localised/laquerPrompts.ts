import type { ChatMessage } from '../../language/chatPrompt.js'

/** A worked example of the attribution prompt. */
export interface LaquerExample {
  readonly sources: readonly string[]
  readonly claim: string
  readonly spans: readonly string[]
}

/** Examples that go with the prompt by default, in the paper's form and our own words. */
export const laquerExamples: readonly LaquerExample[] = [
  {
    sources: [
      'The bridge at Harlow opened in 1931. It was closed to lorries in 1988 after inspectors found rust in two of its cables.',
      'Residents have asked the county for a footpath since the nineties.',
    ],
    claim: 'The Harlow bridge has been closed to lorries because its cables rusted.',
    spans: ['It was closed to lorries in 1988 after inspectors found rust in two of its cables'],
  },
  {
    sources: [
      'Honey keeps for years in a closed jar, since it holds little water.',
      'Sugar draws water out of bacteria, which die of it.',
    ],
    claim: 'Honey does not spoil because it has little water and its sugar kills bacteria.',
    spans: [
      'Honey keeps for years',
      'it holds little water',
      'Sugar draws water out of bacteria, which die of it',
    ],
  },
  {
    sources: ['Maria Lindt took over the bakery from her father in March. Sales have doubled since.'],
    claim: 'The sales of the bakery doubled under Maria Lindt.',
    spans: ['Maria Lindt took over the bakery', 'Sales have doubled since'],
  },
]

const decontextualiseInstruction = `You are given a text and a fragment of it. Rewrite the fragment as a claim that can be understood without the text: replace pronouns and partial names by what they stand for, and add as little detail as it takes to tell apart who or what is meant. Leave nothing out, add nothing else, and keep the wording wherever you can. Answer with the claim alone.`

/** Asks for a fragment of an output as a claim that stands by itself. */
export const decontextualisePrompt = (output: string, fragment: string): ChatMessage[] => [
  { role: 'system', content: decontextualiseInstruction },
  { role: 'user', content: `Text:\n${output}\n\nFragment:\n${fragment}\n\nClaim:` },
]

const attributeInstruction = `You are given sources and a claim. Copy from the sources, word by word, the spans that support the claim. Together they must support all of it; take as few and as short ones as possible, and change nothing in them. Answer with JSON alone: {"spans": ["…", "…"]}. Where the sources do not support the claim, answer {"spans": []}.`

const sourcesText = (sources: readonly string[]): string =>
  sources.map((text, at) => `Source ${at + 1}: ${text}`).join('\n')

const question = (sources: readonly string[], claim: string): string =>
  `${sourcesText(sources)}\nOutput: ${claim}\nAttribution:`

/**
 * Asks for the spans of sources that support a claim.
 *
 * @param missing Spans of an earlier answer that no source has.
 */
export const attributePrompt = (
  sources: readonly string[],
  claim: string,
  examples: readonly LaquerExample[],
  missing: readonly string[],
): ChatMessage[] => {
  const wrong =
    missing.length === 0
      ? ''
      : `\n\nThese are in no source, and must not be in the answer: ${JSON.stringify(missing)}. Copy exactly.`
  return [
    { role: 'system', content: attributeInstruction },
    ...examples.flatMap((example): ChatMessage[] => [
      { role: 'user', content: question(example.sources, example.claim) },
      { role: 'assistant', content: JSON.stringify({ spans: example.spans }) },
    ]),
    { role: 'user', content: `${question(sources, claim)}${wrong}` },
  ]
}

/** The schema of an answer, for endpoints that hold to one. */
export const spansSchema = {
  type: 'object',
  properties: { spans: { type: 'array', items: { type: 'string' } } },
  required: ['spans'],
  additionalProperties: false,
} as const

/** Longer lists are taken for damage. */
const mostSpans = 1000

/** The spans of an answer: of its JSON, or, where it has none, what stands between semicolons, as the paper's prompt asks for. */
export function parseSpans(answer: string): string[] {
  const start = answer.indexOf('{')
  const end = answer.lastIndexOf('}')
  if (start >= 0 && end > start) {
    try {
      const { spans } = JSON.parse(answer.slice(start, end + 1)) as { spans?: unknown }
      if (Array.isArray(spans))
        return spans
          .filter((span): span is string => typeof span === 'string' && span.trim() !== '')
          .slice(0, mostSpans)
          .map(span => span.trim())
    } catch {
      // Not JSON after all.
    }
  }
  return answer
    .split(';')
    .map(part => part.trim())
    .filter(part => part !== '')
    .slice(0, mostSpans)
}
