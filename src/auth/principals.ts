import { sql } from 'kysely';
import type { Database } from '../db/client.ts';
import { createLru } from '../lru.ts';

export type PrincipalKind = 'KEY' | 'MERCHANT';

/** What names a principal: an app id or a merchant's user name. */
export interface PrincipalName {
  readonly kind: PrincipalKind;
  readonly name: string;
}

/** Who credentials stand for: a key pair that is not revoked, or a merchant who is not disabled. */
export interface Principal extends PrincipalName {
  readonly projectId: string;
  /** SHA-256 of a key pair's token; null for a merchant. */
  readonly tokenHash: Buffer | null;
}

/** What this process knows of principals: nothing that is older than its bound, and no name that is nobody's. */
export interface Principals {
  /**
   * The principal of this name that `isRight`; undefined when there is none. It is as of `maxAgeMs` ago at the earliest, and
   * nobody is refused by what was known before the call. Concurrent calls share one query.
   */
  find(kind: PrincipalKind, name: string, isRight: (principal: Principal) => boolean): Promise<Principal | undefined>;
  /** The same where it is known already. */
  peek(kind: PrincipalKind, name: string, isRight: (principal: Principal) => boolean): Principal | undefined;
  /** Asks the database for all of these in one query, and returns those that there are. */
  read(names: readonly PrincipalName[]): Promise<Principal[]>;
}

interface Answer {
  readonly principal: Principal | undefined;
  /** `performance.now()` when the database was asked. */
  readonly askedAt: number;
}
interface Question {
  readonly askedAt: number;
  readonly answer: Promise<Answer>;
}

const maxKnown = 10_000;

export function openPrincipals(options: { readonly db: Database; readonly maxAgeMs: number }): Principals {
  const { db, maxAgeMs } = options;
  // Only principals that exist: whoever makes up names fills no memory.
  const known = createLru<Answer>(maxKnown);
  const asked = new Map<string, Question>();

  const read = async (names: readonly PrincipalName[]) => {
    const askedAt = performance.now();
    const found = await readPrincipals(db, names);
    for (const name of names) known.delete(keyOf(name));
    for (const principal of found) known.set(keyOf(principal), { principal, askedAt });
    return found;
  };
  const ask = (name: PrincipalName): Question => {
    const askedAt = performance.now();
    const key = keyOf(name);
    const forget = () => {
      if (asked.get(key) === question) asked.delete(key);
    };
    const answer = read([name])
      .then(([principal]) => ({ principal, askedAt }))
      .finally(forget);
    const question = { askedAt, answer };
    asked.set(key, question);
    return question;
  };
  /** An answer to a question that was asked at `since` or later. */
  const answerSince = async (name: PrincipalName, since: number): Promise<Answer> => {
    const key = keyOf(name);
    const answer = known.get(key);
    if (answer !== undefined && answer.askedAt >= since) return answer;
    const question = asked.get(key);
    return question !== undefined && question.askedAt >= since ? question.answer : ask(name).answer;
  };
  return {
    peek(kind, name, isRight) {
      const answer = known.get(keyOf({ kind, name }));
      if (answer?.principal === undefined || answer.askedAt < performance.now() - maxAgeMs) return undefined;
      return isRight(answer.principal) ? answer.principal : undefined;
    },
    async find(kind, name, isRight) {
      const startedAt = performance.now();
      let answer = await answerSince({ kind, name }, startedAt - maxAgeMs);
      const isEnough = answer.askedAt >= startedAt || (answer.principal !== undefined && isRight(answer.principal));
      if (!isEnough) answer = await answerSince({ kind, name }, startedAt);
      return answer.principal !== undefined && isRight(answer.principal) ? answer.principal : undefined;
    },
    read,
  };
}

/** Tells principals apart, of either kind. */
export function keyOf({ kind, name }: PrincipalName): string {
  return `${kind} ${name}`;
}

async function readPrincipals(db: Database, names: readonly PrincipalName[]): Promise<Principal[]> {
  const namesOf = (kind: PrincipalKind) => names.filter((one) => one.kind === kind).map(({ name }) => name);
  const { rows } = await sql<Principal>`
    select 'KEY' as kind, app_id as name, project_id as "projectId", token_hash as "tokenHash"
    from api_keys where app_id = any(${namesOf('KEY')}::text[]) and revoked_at is null
    union all
    select 'MERCHANT', username, project_id, null
    from merchants where username = any(${namesOf('MERCHANT')}::text[]) and disabled_at is null`.execute(db);
  return rows;
}
