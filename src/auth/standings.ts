import { ClientError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type Caller, coversCaller } from './caller.ts';
import { keyOf, type PrincipalName, type Principals } from './principals.ts';

/** Why a caller may not go on: the token has ended, or whom it stands for was revoked or disabled. */
export type Loss = 'EXPIRED' | 'REVOKED';

/** What a stream is told of its caller, never before `follow` has returned. */
export interface StandingListener {
  /** The token ends soon: told once of each token, `warningMs` before, or within a second where it lasts less. */
  expiring?(expiresAt: Date): void;
  /** Told once, and the last that is told. */
  lost(reason: Loss): void;
}

export interface Following {
  /** Goes on with the standing of `caller`. Throws FORBIDDEN, and changes nothing, unless it may do all that the one before
   *  may, in the same project. */
  renew(caller: Caller): void;
  /** May be called twice, and after the loss. */
  stop(): void;
}

/** Tells open streams when their callers' standing ends: one timer for all, one query for all that they stand for. */
export interface Standings {
  follow(caller: Caller, listener: StandingListener): Following;
  /** How many are followed, and how many distinct keys and merchants they stand for. */
  count(): { readonly followers: number; readonly principals: number };
  /** Nothing is told any more. May be called twice. */
  stop(): Promise<void>;
}

export interface StandingOptions {
  readonly principals: Pick<Principals, 'read'>;
  readonly log: Log;
  /** How often the database is asked. */
  readonly everyMs: number;
  readonly warningMs?: number;
}

interface Follower {
  caller: Caller;
  readonly listener: StandingListener;
  isWarned: boolean;
  /** The epoch second at which its token is looked at next; null without a token, and when it is over. */
  dueAt: number | null;
  isOver: boolean;
}

/** Those who stand for one principal of one project. */
interface Group extends PrincipalName {
  readonly projectId: string;
  readonly followers: Set<Follower>;
}

interface State {
  readonly options: StandingOptions & { readonly warningMs: number };
  readonly groups: Map<string, Group>;
  /** By epoch second. A token ends on a whole one, so there are never more than the longest token has seconds, twice. */
  readonly due: Map<number, Set<Follower>>;
}

const greatestTickMs = 1_000;
const leastTickMs = 50;

/** Begins to look: a revocation is told within `everyMs` and a second, the end of a token within a second. While the
 *  database cannot be asked, nobody is told to be revoked. */
export function openStandings(options: StandingOptions): Standings {
  const state: State = { options: { warningMs: 30_000, ...options }, groups: new Map(), due: new Map() };
  const stopTicking = startTicking(state);
  return {
    follow(caller, listener) {
      const follower: Follower = { caller, listener, isWarned: false, dueAt: null, isOver: false };
      join(state, follower);
      return { renew: (next) => renew(state, follower, next), stop: () => leave(state, follower) };
    },
    count() {
      const sizes = [...state.groups.values()].map(({ followers }) => followers.size);
      return { followers: sizes.reduce((sum, size) => sum + size, 0), principals: sizes.length };
    },
    async stop() {
      for (const { followers } of state.groups.values()) for (const follower of followers) leave(state, follower);
      await stopTicking();
    },
  };
}

function startTicking(state: State): () => Promise<void> {
  const { everyMs } = state.options;
  let checkedAt = performance.now();
  let check: Promise<void> | undefined;
  const tick = () => {
    lookAtTokens(state);
    if (check !== undefined || state.groups.size === 0 || performance.now() - checkedAt < everyMs) return;
    checkedAt = performance.now();
    check = lookAtPrincipals(state).finally(() => {
      check = undefined;
    });
  };
  const timer = setInterval(tick, Math.min(greatestTickMs, Math.max(leastTickMs, everyMs))).unref();
  return async () => {
    clearInterval(timer);
    await check;
  };
}

function join({ groups, due, options }: State, follower: Follower): void {
  const { kind, name, projectId, expiresAt } = follower.caller;
  const key = groupKeyOf(follower.caller);
  const group = groups.get(key) ?? { kind, name, projectId, followers: new Set() };
  groups.set(key, group);
  group.followers.add(follower);
  if (expiresAt === null) return;
  const nextMs = expiresAt.getTime() - (follower.isWarned ? 0 : options.warningMs);
  follower.dueAt = Math.ceil(nextMs / 1000);
  const others = due.get(follower.dueAt);
  if (others === undefined) due.set(follower.dueAt, new Set([follower]));
  else others.add(follower);
}

function part({ groups, due }: State, follower: Follower): void {
  const key = groupKeyOf(follower.caller);
  const group = groups.get(key);
  group?.followers.delete(follower);
  if (group?.followers.size === 0) groups.delete(key);
  if (follower.dueAt === null) return;
  const others = due.get(follower.dueAt);
  others?.delete(follower);
  if (others?.size === 0) due.delete(follower.dueAt);
  follower.dueAt = null;
}

function leave(state: State, follower: Follower): void {
  if (follower.isOver) return;
  part(state, follower);
  follower.isOver = true;
}

function renew(state: State, follower: Follower, next: Caller): void {
  if (!coversCaller(next, follower.caller)) {
    throw new ClientError('FORBIDDEN', 'The new credentials must allow all that those before did, in the same project');
  }
  if (follower.isOver) return;
  part(state, follower);
  follower.caller = next;
  follower.isWarned = false;
  join(state, follower);
}

function lookAtTokens(state: State): void {
  const now = Date.now();
  for (const [second, followers] of state.due) {
    if (second * 1000 > now) continue;
    for (const follower of followers) lookAtToken(state, follower, now);
  }
}

function lookAtToken(state: State, follower: Follower, now: number): void {
  const { expiresAt } = follower.caller;
  if (expiresAt === null) return;
  if (expiresAt.getTime() <= now) {
    lose(state, follower, 'EXPIRED');
    return;
  }
  part(state, follower);
  follower.isWarned = true;
  join(state, follower);
  tell(state, () => follower.listener.expiring?.(expiresAt));
}

async function lookAtPrincipals(state: State): Promise<void> {
  const groups = [...state.groups.values()];
  try {
    const standing = new Set((await state.options.principals.read(groups)).map(groupKeyOf));
    const lost = groups.filter((group) => !standing.has(groupKeyOf(group)));
    for (const { followers } of lost) for (const follower of followers) lose(state, follower, 'REVOKED');
  } catch (error) {
    state.options.log.warn('standing.unchecked', { principals: groups.length, error });
  }
}

function lose(state: State, follower: Follower, reason: Loss): void {
  leave(state, follower);
  tell(state, () => follower.listener.lost(reason));
}

/** One listener that fails does not keep the others from being told. */
function tell({ options }: State, call: () => void): void {
  try {
    call();
  } catch (error) {
    options.log.error('standing.listener_failed', { error });
  }
}

function groupKeyOf(one: PrincipalName & { readonly projectId: string }): string {
  return `${one.projectId} ${keyOf(one)}`;
}
