import { AscribeError } from '../errors.js'
import { type ClassName, type Score, Target } from '../graph/target.js'

function integer(text: string | undefined, what: string, whole: string): number {
  if (text !== undefined && /^-?\d{1,15}$/.test(text)) return Number(text)
  throw new AscribeError('TARGET_INVALID', `${what} in the target "${whole}" is no integer`)
}

const className = (text: string): ClassName => (/^\d{1,15}$/.test(text) ? Number(text) : text)

/**
 * A target as it is written on the command line: `top`, a class index, a label, `regression`,
 * `difference:A:B`, `token:POSITION:ID`, `box:CHANNEL:LEFT,TOP,RIGHT,BOTTOM`, `segment:CHANNEL`, `neuron:LAYER:INDEX[,INDEX...]`
 * or `detection:SCORES:BOXES:CLASS:LEFT,TOP,RIGHT,BOTTOM`. `label:TEXT` is a label whatever it looks like.
 *
 * @throws AscribeError `TARGET_INVALID`
 */
export function parseTarget(text: string, options: { output?: string; score?: Score } = {}): Target {
  const [kind, ...rest] = text.split(':')
  if (text === 'top') return Target.top(options)
  if (text === 'regression') return Target.regression(options)
  if (/^\d{1,15}$/.test(text)) return Target.class(Number(text), options)
  switch (rest.length > 0 ? kind : '') {
    case 'label':
      return Target.label(rest.join(':'), options)
    case 'difference': {
      if (rest.length !== 2) throw new AscribeError('TARGET_INVALID', `"${text}" is not difference:A:B`)
      return Target.difference(className(rest[0]!), className(rest[1]!), options)
    }
    case 'token':
      return Target.token(
        integer(rest[0], 'The position', text),
        integer(rest[1], 'The token', text),
        options,
      )
    case 'box': {
      const edges = (rest[1] ?? '').split(',').map(edge => integer(edge, 'An edge', text))
      if (edges.length !== 4)
        throw new AscribeError('TARGET_INVALID', `"${text}" is not box:CHANNEL:LEFT,TOP,RIGHT,BOTTOM`)
      return Target.box(
        integer(rest[0], 'The channel', text),
        edges as [number, number, number, number],
        options,
      )
    }
    case 'segment':
      return Target.segment(integer(rest[0], 'The channel', text), options)
    case 'neuron': {
      const places = rest
        .at(-1)!
        .split(',')
        .map(place => integer(place, 'A place', text))
      return Target.neuron(rest.slice(0, -1).join(':'), places)
    }
    case 'detection': {
      const edges = (rest[3] ?? '').split(',').map(Number)
      if (rest.length !== 4 || edges.length !== 4 || !edges.every(Number.isFinite))
        throw new AscribeError(
          'TARGET_INVALID',
          `"${text}" is not detection:SCORES:BOXES:CLASS:LEFT,TOP,RIGHT,BOTTOM`,
        )
      return Target.detection(
        integer(rest[2], 'The class', text),
        edges as [number, number, number, number],
        { scores: rest[0]!, boxes: rest[1]! },
      )
    }
    default:
      return Target.label(text, options)
  }
}
