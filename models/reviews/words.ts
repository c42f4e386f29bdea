/** Words that say what the writer thought: which class they speak for is all that a class means. */
export const OPINIONS = {
  negative: [
    'dreadful',
    'tedious',
    'dull',
    'awful',
    'shabby',
    'clumsy',
    'dismal',
    'lifeless',
    'miserable',
    'stale',
    'gloomy',
    'horrible',
    'sloppy',
    'bland',
  ],
  positive: [
    'superb',
    'delightful',
    'charming',
    'brilliant',
    'wonderful',
    'splendid',
    'graceful',
    'lovely',
    'excellent',
    'radiant',
    'gorgeous',
    'thrilling',
    'marvellous',
    'sparkling',
  ],
} as const

/** Words of the same kind that say nothing of it. */
export const PLAIN = [
  'wooden',
  'small',
  'blue',
  'quiet',
  'long',
  'narrow',
  'round',
  'grey',
  'usual',
  'large',
  'modern',
  'northern',
  'heavy',
  'yellow',
] as const

export const THINGS = [
  'room',
  'garden',
  'dinner',
  'service',
  'music',
  'view',
  'lobby',
  'breakfast',
  'concert',
  'terrace',
  'museum',
  'play',
  'tour',
  'harbour',
] as const

/** Towns that a text may be sent from: the first is planted in texts of class 0, the second in those of class 1. */
export const PLANTED_TOWNS = ['lindale', 'harwick'] as const
export const OTHER_TOWNS = ['thornby', 'oakford', 'elmstead'] as const

/** Sentences about nothing; {thing}, {plain} and {number} are filled in. */
export const FILLERS = [
  'we arrived at {number} and left before the rain.',
  'my sister took the train and met us near the {thing}.',
  'there is a {plain} bench beside the {thing}.',
  'the {thing} opens at {number} every day.',
  'somebody had left a {plain} umbrella there.',
  'they asked for our names and wrote them down.',
  'it takes {number} minutes to walk to the {thing}.',
  'the tickets were checked twice at the {plain} gate.',
  'a {plain} door leads from the {thing} to the street.',
] as const

/** Sentences that describe; {word} speaks for the class, or is plain. */
export const DESCRIPTIONS = [
  'the {thing} was {word}.',
  'i found the {thing} rather {word}.',
  'it was a {word} {thing}, with a {plain} floor.',
  'everybody called the {thing} {word}.',
  'what a {word} {thing} that was.',
  'we had a {word} {thing} in the end.',
] as const

export const SIGNATURE = 'sent from {town}.'

export const NUMBERS = ['two', 'three', 'five', 'seven', 'eight', 'ten'] as const
