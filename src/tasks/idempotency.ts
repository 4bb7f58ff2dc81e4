import { createHash, type Hash } from 'node:crypto';
import { pipeline, Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import { ClientError } from '../errors.ts';
import { isUpload } from './input.ts';

/** Follows the IETF draft on the Idempotency-Key header: a key is the project's, for one operation. */
export interface IdempotencyScope {
  readonly projectId: string;
  readonly operation: string;
  readonly key: string;
}

/** What a key was used for. */
export interface KeptKey {
  readonly taskId: string;
  readonly fingerprint: Buffer;
  readonly expiresAt: Date;
}

/** Reserves the key until the transaction ends and returns what it was used for before, if anything; what has expired is nothing.
 *  Throws IDEMPOTENCY_KEY_IN_USE while the first request with it is still running. */
export async function reserveKey(tx: Tx, scope: IdempotencyScope): Promise<KeptKey | undefined> {
  const name = JSON.stringify([scope.projectId, scope.operation, scope.key]);
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) as locked`.execute(tx);
  if (!rows[0]?.locked) {
    throw new ClientError('IDEMPOTENCY_KEY_IN_USE', 'The first request with this Idempotency-Key is still running');
  }
  const row = await tx
    .selectFrom('idempotency_keys')
    .select(['task_id', 'fingerprint', 'expires_at'])
    .where('project_id', '=', scope.projectId)
    .where('operation', '=', scope.operation)
    .where('key', '=', scope.key)
    .where('expires_at', '>', sql<Date>`clock_timestamp()`)
    .executeTakeFirst();
  return row && { taskId: row.task_id, fingerprint: row.fingerprint, expiresAt: row.expires_at };
}

/** Keeps a reserved key for so many days and returns until when. One that has expired and is still there is replaced. */
export async function keepKey(
  tx: Tx,
  scope: IdempotencyScope,
  use: Pick<KeptKey, 'taskId' | 'fingerprint'>,
  days: number,
): Promise<Date> {
  const { rows } = await sql<{ expires_at: Date }>`
    insert into idempotency_keys (project_id, operation, key, fingerprint, task_id, created_at, expires_at)
    values (
      ${scope.projectId}, ${scope.operation}, ${scope.key}, ${use.fingerprint}, ${use.taskId},
      clock_timestamp(), clock_timestamp() + make_interval(days => ${days})
    )
    on conflict (project_id, operation, key) do update set fingerprint = excluded.fingerprint, task_id = excluded.task_id,
      created_at = excluded.created_at, expires_at = excluded.expires_at
    returning expires_at`.execute(tx);
  const [row] = rows;
  if (row === undefined) throw new Error('an idempotency key was not kept');
  return row.expires_at;
}

/** Throws IDEMPOTENCY_KEY_REUSED unless both requests said the same. */
export function checkSameRequest(before: Buffer, now: Buffer): void {
  if (!before.equals(now)) {
    throw new ClientError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key was used with another request');
  }
}

/** An input that is hashed while it is read. */
export interface FingerprintedInput<Input> {
  readonly input: Input;
  /** SHA-256 of the whole input, files included; reads to the end what nobody has read. */
  fingerprint(): Promise<Buffer>;
}

/** Hashes an input: properties in sorted order, an upload by its bytes. */
export function fingerprintInput<Input>(input: Input): FingerprintedInput<Input> {
  const hash = createHash('sha256');
  const streams: Transform[] = [];
  const copy = hashValue(input, hash, streams);
  const fingerprint = async () => {
    for (const stream of streams) {
      if (!stream.readableEnded) await finished(stream.resume());
    }
    return hash.digest();
  };
  return { input: copy as Input, fingerprint };
}

function hashValue(value: unknown, hash: Hash, streams: Transform[]): unknown {
  if (isUpload(value)) {
    const hashing = new Transform({
      transform(bytes, _encoding, done) {
        hash.update(bytes);
        done(null, bytes);
      },
    });
    // Whoever reads the copy hears of an error there; where nobody reads, there is nobody to tell.
    pipeline(value.stream, hashing, () => undefined);
    streams.push(hashing);
    return { ...value, stream: hashing };
  }
  if (typeof value !== 'object' || value === null || value instanceof Date) {
    hash.update(JSON.stringify(value) ?? 'undefined').update(',');
    return value;
  }
  if (Array.isArray(value)) {
    hash.update('[');
    const copy = value.map((item) => hashValue(item, hash, streams));
    hash.update(']');
    return copy;
  }
  hash.update('{');
  const keys = Object.keys(value).sort();
  const copy = Object.fromEntries(
    keys.map((key) => {
      hash.update(JSON.stringify(key)).update(':');
      return [key, hashValue(Reflect.get(value, key), hash, streams)];
    }),
  );
  hash.update('}');
  return copy;
}
