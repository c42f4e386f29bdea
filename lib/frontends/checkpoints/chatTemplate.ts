/** What a chat template reads beside the messages. */
export interface ChatTemplate {
  readonly template?: string
  /** Texts of special tokens by name: `bos_token` and the like. */
  readonly tokens: Readonly<Record<string, string>>
}
