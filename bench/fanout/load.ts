import { monotonicMs } from '../support/clock.ts';
import { type Subscriber, subscribe } from './subscriber.ts';

/** The load client, a process of its own: holds thousands of subscribers and answers the commands of `load-client.ts`. */

export interface SubscribeCommand {
  readonly port: number;
  readonly connectionParams: object;
  /** Subscriber `n` of them all follows task `n` with document `n`, counted round and round. */
  readonly first: number;
  readonly count: number;
  readonly documents: readonly string[];
  readonly taskIds: readonly string[];
}

/** One change as the driver committed it. */
export interface Commit {
  /** The place of the task in the list of task ids. */
  readonly task: number;
  readonly version: number;
  readonly committedMs: number;
}

export interface Report {
  readonly deliveries: number;
  /** Deliveries whose version was not newer than the one before on the same subscription. */
  readonly repeated: number;
  readonly bytesPerDelivery: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Commands {
  subscribe(command: SubscribeCommand): Promise<void>;
  /** Forgets what came so far and has room for so many deliveries. */
  begin(deliveries: number): Promise<void>;
  /** When the last of so many deliveries came, as soon as it has. Once nothing more has come for a while, when the last did. */
  received(deliveries: number): Promise<{ lastMs: number }>;
  report(commits: readonly Commit[]): Promise<Report>;
}

const concurrentHandshakes = 64;
/** What has not come after so long a silence is lost. */
const quietMs = 5_000;

const newest: number[] = [];
let tasks = 1;
let count = 0;
let repeated = 0;
let bytes = 0;
let arrivedMs = new Float64Array(0);
let subscribers = new Uint32Array(0);
let versions = new Uint32Array(0);
let waiting: { readonly deliveries: number; readonly resolve: () => void } | undefined;

const commands: Commands = {
  async subscribe({ first, count: wanted, documents, taskIds, ...server }) {
    tasks = taskIds.length;
    let next = first;
    const work = async () => {
      while (next < first + wanted) {
        const index = next;
        next += 1;
        const document = documents[index % documents.length] ?? '';
        const taskId = taskIds[index % taskIds.length] ?? '';
        await subscribe({ ...server, index, document, taskId, pushed: record });
      }
    };
    await Promise.all(Array.from({ length: concurrentHandshakes }, work));
  },
  async begin(deliveries) {
    count = 0;
    repeated = 0;
    bytes = 0;
    arrivedMs = new Float64Array(deliveries);
    subscribers = new Uint32Array(deliveries);
    versions = new Uint32Array(deliveries);
  },
  async received(deliveries) {
    const { promise, resolve } = Promise.withResolvers<void>();
    let before = count;
    const watch = setInterval(() => {
      if (count === before) resolve();
      before = count;
    }, quietMs);
    waiting = { deliveries, resolve };
    if (count >= deliveries) resolve();
    await promise;
    clearInterval(watch);
    waiting = undefined;
    return { lastMs: arrivedMs[Math.min(count, deliveries) - 1] ?? Number.NaN };
  },
  async report(commits) {
    const latencies = measureLatencies(commits);
    const at = (share: number) => latencies[Math.ceil(latencies.length * share) - 1] ?? Number.NaN;
    const bytesPerDelivery = Math.round(bytes / count);
    return { deliveries: count, repeated, bytesPerDelivery, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  },
};

function record({ index }: Subscriber, version: number, length: number): void {
  if (version <= (newest[index] ?? 0)) repeated += 1;
  newest[index] = version;
  arrivedMs[count] = monotonicMs();
  subscribers[count] = index;
  versions[count] = version;
  bytes += length;
  count += 1;
  if (waiting !== undefined && count >= waiting.deliveries) waiting.resolve();
}

/** From commit to arrival, ascending. */
function measureLatencies(commits: readonly Commit[]): Float64Array {
  const committed = new Map(commits.map(({ task, version, committedMs }) => [`${task} ${version}`, committedMs]));
  const latencies = new Float64Array(Math.min(count, arrivedMs.length));
  for (let at = 0; at < latencies.length; at += 1) {
    const committedMs = committed.get(`${(subscribers[at] ?? 0) % tasks} ${versions[at]}`);
    if (committedMs === undefined) throw new Error(`version ${versions[at]} came, which was never committed`);
    latencies[at] = (arrivedMs[at] ?? 0) - committedMs;
  }
  return latencies.sort();
}

process.on('message', ({ name, argument }: { readonly name: keyof Commands; readonly argument: never }) => {
  commands[name](argument).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
