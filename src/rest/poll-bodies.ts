import { rateOf, type Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';

/** How one wire model tells a task. */
export interface PollModel {
  /** The body of a snapshot; who `isConfined` to watching sees no items. */
  describe(task: Snapshot, isConfined: boolean): object | Promise<object>;
  /** How long a body may be told again, and a client's copy confirmed; without it for good. */
  validity?(task: Snapshot): Validity | undefined;
}

/** Times in epoch milliseconds. */
export interface Validity {
  readonly bodyUntil: number;
  readonly copiesUntil: number;
}

/** The answer to a poll of one snapshot: made once, for polls and events alike. */
export interface PollBody {
  /** The entity tag: the version, and another one for who is confined. */
  readonly tag: string;
  readonly text: string;
  /** Bytes of the text. */
  readonly length: string;
  /** For the header Retry-After, as of now: `retryAfterOf` the task. */
  retryAfter(): string | null;
  readonly validity: Validity;
}

export interface PollBodies {
  /** The body, if it is there. */
  peek(task: Snapshot, isConfined: boolean): PollBody | undefined;
  make(task: Snapshot, isConfined: boolean): Promise<PollBody>;
  validity(task: Snapshot): Validity;
}

/** Larger ones are made anew for each poll. */
const maxKeptCharacters = 16_384;
const always: Validity = { bodyUntil: Number.POSITIVE_INFINITY, copiesUntil: Number.POSITIVE_INFINITY };

/** Keeps each snapshot's bodies for as long as the snapshot is. */
export function createPollBodies(model: PollModel): PollBodies {
  const owners = new WeakMap<Snapshot, Kept>();
  const confined = new WeakMap<Snapshot, Kept>();
  const keptOf = (task: Snapshot, isConfined: boolean) => (isConfined ? confined : owners).get(task);
  const peek = (kept: Kept | undefined) => {
    const body = kept?.body;
    return body !== undefined && body.validity.bodyUntil > Date.now() ? body : undefined;
  };
  return {
    peek: (task, isConfined) => peek(keptOf(task, isConfined)),
    make: async (task, isConfined) => {
      const kept = keptOf(task, isConfined) ?? {};
      (isConfined ? confined : owners).set(task, kept);
      const known = peek(kept);
      if (known !== undefined) return known;
      kept.making ??= describe(model, task, isConfined).finally(() => delete kept.making);
      const body = await kept.making;
      if (body.text.length <= maxKeptCharacters) kept.body = body;
      return body;
    },
    validity: (task) => model.validity?.(task) ?? always,
  };
}

interface Kept {
  body?: PollBody;
  /** All who ask meanwhile share it. */
  making?: Promise<PollBody>;
}

/** The entity tag of a snapshot's body. */
export function tagOf(task: Snapshot, isConfined: boolean): string {
  return isConfined ? `"${task.version}-watch"` : `"${task.version}"`;
}

/** In how many whole seconds to ask again: when the task will have ended at its rate of late, 1 to 30; 1 without a rate; while it is
 *  paused, after the longest; null when it has ended. */
export function retryAfterOf(task: Snapshot): string | null {
  if (isFinal(task.state)) return null;
  if (task.state === 'PAUSED') return String(longestRetrySeconds);
  const rate = rateOf(task);
  const seconds = rate === null ? 1 : Math.ceil((task.total - task.processed) / rate);
  return String(Math.min(Math.max(seconds, 1), longestRetrySeconds));
}

const longestRetrySeconds = 30;

async function describe(model: PollModel, task: Snapshot, isConfined: boolean): Promise<PollBody> {
  // Before the body, which may have a link that lasts longer, never shorter.
  const validity = model.validity?.(task) ?? always;
  const text = JSON.stringify(await model.describe(task, isConfined));
  return {
    tag: tagOf(task, isConfined),
    text,
    length: String(Buffer.byteLength(text)),
    retryAfter: () => retryAfterOf(task),
    validity,
  };
}
