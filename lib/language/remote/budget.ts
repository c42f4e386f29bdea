import { AscribeError } from '../../errors.js'
import { expectInteger, expectKnownKeys, expectNumber, expectObject } from '../../validate.js'

/** What an endpoint may be asked for in all. */
export interface BudgetOptions {
  /** Requests, those of retries not counted. */
  requests?: number
  /** Tokens of prompts and answers together, as the endpoint counts them. */
  tokens?: number
  /** In the unit of `prices`. */
  cost?: number
}

/** What a million tokens cost, in any one currency. */
export interface Prices {
  readonly promptPerMillion: number
  readonly answerPerMillion: number
}

/** What was asked of an endpoint so far. Replayed answers cost nothing. */
export interface Usage {
  readonly requests: number
  readonly promptTokens: number
  readonly answerTokens: number
  readonly cost: number
}

/** Tokens of one answer, as the endpoint counts them. */
export interface AnswerUsage {
  readonly promptTokens: number
  readonly answerTokens: number
}

/**
 * Keeps requests within a budget. Tokens that an answer may have at most are set aside when it is asked for; those of its
 * prompt are known only with the answer, so that requests under way may pass the budget by their prompts.
 */
export class Budget {
  readonly #limits: BudgetOptions
  readonly #prices: Prices | undefined
  #requests = 0
  #promptTokens = 0
  #answerTokens = 0
  #aside = 0

  constructor(limits: BudgetOptions = {}, prices?: Prices) {
    expectObject('budget', limits)
    expectKnownKeys('budget', limits, ['requests', 'tokens', 'cost'])
    if (limits.requests !== undefined) expectInteger('budget.requests', limits.requests, 0)
    if (limits.tokens !== undefined) expectInteger('budget.tokens', limits.tokens, 0)
    if (limits.cost !== undefined) expectNumber('budget.cost', limits.cost, 0)
    if (prices !== undefined) {
      expectObject('prices', prices)
      expectKnownKeys('prices', prices, ['promptPerMillion', 'answerPerMillion'])
      expectNumber('prices.promptPerMillion', prices.promptPerMillion, 0)
      expectNumber('prices.answerPerMillion', prices.answerPerMillion, 0)
    }
    if (limits.cost !== undefined && prices === undefined)
      throw new AscribeError('OPTION_RANGE', 'A budget of cost needs `prices`')
    this.#limits = limits
    this.#prices = prices
  }

  get usage(): Usage {
    const [requests, promptTokens, answerTokens] = [this.#requests, this.#promptTokens, this.#answerTokens]
    return { requests, promptTokens, answerTokens, cost: this.#costOf(promptTokens, answerTokens) }
  }

  /** Whether answers must say how many tokens they took. */
  get needsUsage(): boolean {
    return this.#limits.tokens !== undefined || this.#limits.cost !== undefined
  }

  /**
   * Before a request that may be answered with so many tokens.
   *
   * @returns what is to be called with what the answer took, or with nothing where none came.
   * @throws AscribeError BUDGET_SPENT
   */
  take(greatestAnswer: number): (used?: AnswerUsage) => void {
    const { requests, tokens, cost } = this.#limits
    const spent = (what: string, used: number, limit: number) =>
      new AscribeError('BUDGET_SPENT', `The budget of ${limit} ${what} is spent: ${used} were used`, {
        hint: 'Answers so far are in the recording, where there is one.',
      })
    if (requests !== undefined && this.#requests >= requests)
      throw spent('requests', this.#requests, requests)
    const answers = this.#answerTokens + this.#aside + greatestAnswer
    const total = this.#promptTokens + answers
    // What is spent exactly is spent: another request has a prompt of at least a token.
    if (tokens !== undefined && total >= tokens)
      throw spent('tokens', this.#promptTokens + this.#answerTokens, tokens)
    const price = this.#costOf(this.#promptTokens, answers)
    if (cost !== undefined && price >= cost) throw spent('cost', this.usage.cost, cost)
    this.#requests++
    this.#aside += greatestAnswer
    return used => {
      this.#aside -= greatestAnswer
      this.#promptTokens += used?.promptTokens ?? 0
      this.#answerTokens += used?.answerTokens ?? 0
    }
  }

  #costOf(prompt: number, answer: number): number {
    const { promptPerMillion = 0, answerPerMillion = 0 } = this.#prices ?? {}
    return (prompt * promptPerMillion + answer * answerPerMillion) / 1e6
  }
}
