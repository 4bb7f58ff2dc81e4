import type { Database, Tx } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Jobs } from './jobs.ts';
import type { AnyOperation, OperationLimits } from './operation.ts';
import type { Snapshot } from './snapshot.ts';

/** What the engine needs of the process it runs in. */
export interface EngineDeps {
  readonly db: Database;
  readonly jobs: Jobs;
  /** Every operation there is, by its stored name. */
  readonly operations: ReadonlyMap<string, AnyOperation>;
  /** Called in the transaction in which a task enters a state: what it writes is committed or lost with the change. */
  readonly entered: (tx: Tx, snapshot: Snapshot) => Promise<void>;
  /** Hands a committed snapshot to the bus. Never throws and never waits: a lost one is read again from the database. */
  readonly publish: (snapshot: Snapshot) => void;
  readonly limits: OperationLimits;
  /** How long an idempotency key is known. */
  readonly keepKeysDays: number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The operation of a stored name. A task of an operation this release does not know is a bug of the deployment. */
export function operationOf(operations: EngineDeps['operations'], name: string): AnyOperation {
  const operation = operations.get(name);
  if (operation === undefined) throw new Error(`this release knows no operation ${name}`);
  return operation;
}
