/** Who is sent a stream of messages, over whichever connection. None of it may throw. */
export interface Subscriber<Message> {
  /** Sends it on, or answers false when the connection takes nothing now; then `resume` is to be called when it does. */
  send(message: Message): boolean;
  /** Nothing follows: all has been sent, or `error` came in between. */
  end(error?: unknown): void;
}

/** A subscriber's place in a stream. */
export interface Membership {
  /** Sends what could not be sent before: the newest, not all that was missed. */
  resume(): void;
  /** Ends it without a word. May be called twice. */
  leave(): void;
}
