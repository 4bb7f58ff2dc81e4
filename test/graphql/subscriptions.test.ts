import { sql } from 'kysely';
import { beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { findTask } from '../../src/tasks/store.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import {
  importVouchers,
  issueCards,
  overSse,
  overWebSocket,
  readAll,
  type Subscribing,
  succeeded,
  transports,
} from './client.ts';

const one = `subscription ($id: ID!, $afterVersion: Int) { bulkTask(id: $id, afterVersion: $afterVersion) {
  __typename ... on TaskProgress { id state version progress counts { total processed succeeded failed } }
} }`;
const many = `subscription ($filter: BulkTaskFilter) { bulkTasks(filter: $filter) {
  __typename ... on TaskProgress { id state version }
} }`;

const both = ['WebSocket', 'server-sent events'] as const;

interface Seen {
  readonly id: string;
  readonly state: string;
  readonly version: number;
  readonly progress: number;
  readonly counts: { total: number; processed: number; succeeded: number; failed: number };
}
type OfOne = { readonly bulkTask: Seen };
type OfMany = { readonly bulkTasks: Seen };

/** Without a worker every task waits; `work` brings one. */
let app: TestApp;
let work: () => Promise<TestApp>;
/** Never gets a worker. */
let lonely: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
  lonely = await startTestApp({ role: 'gateway' });
  let worker: Promise<TestApp> | undefined;
  work = () => (worker ??= startTestApp({ database: app.database, settings: { REDIS_URL: inject('redisUrl') } }));
});

function open(transport: keyof typeof transports, to = app): Subscribing {
  const subscribing = transports[transport](to);
  onTestFinished(() => subscribing.dispose());
  return subscribing;
}

const nextOf = async <Data>(pushed: AsyncIterator<{ readonly data?: unknown }>): Promise<Data> => {
  const { value } = await pushed.next();
  return value.data;
};

describe.each(both)('bulkTask over %s', (transport) => {
  it('begins with the snapshot, pushes growing versions and completes with the final one', async () => {
    const id = await issueCards(app, 45_000);
    const pushed = open(transport).subscribe(one, { id });
    const first = await nextOf<OfOne>(pushed);
    expect(first.bulkTask).toMatchObject({
      __typename: 'BulkIssuanceTask',
      id,
      state: expect.any(String),
      version: expect.any(Number),
    });
    await work();
    const all = [first, ...(await readAll<OfOne>(pushed))].map(({ bulkTask }) => bulkTask);
    const versions = all.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    const progress = all.map((task) => task.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    for (const { counts } of all) expect(counts.processed).toBe(counts.succeeded + counts.failed);
    const counts = { total: 45_000, processed: 45_000, succeeded: 45_000, failed: 0 };
    expect(all.at(-1)).toMatchObject({ state: 'SUCCEEDED', progress: 100, counts });
  });

  it('shows an async action, one that has ended too', async () => {
    await work();
    const id = await importVouchers(app, [{ code: `CODE ${transport}`, gift: { amount: 1 } }]);
    await succeeded(app, id);
    const all = await readAll<OfOne>(open(transport).subscribe(one, { id }));
    expect(all).toMatchObject([{ bulkTask: { __typename: 'AsyncAction', id, state: 'SUCCEEDED', progress: 100 } }]);
  });

  it('leaves out what is not newer than afterVersion', async () => {
    await work();
    const id = await issueCards(app, 1);
    await succeeded(app, id);
    const [last] = await readAll<OfOne>(open(transport).subscribe(one, { id }));
    const version = last?.bulkTask.version ?? 0;
    const before = await readAll<OfOne>(open(transport).subscribe(one, { id, afterVersion: version - 1 }));
    expect(before.map(({ bulkTask }) => bulkTask.version)).toEqual([version]);
    expect(await readAll(open(transport).subscribe(one, { id, afterVersion: version }))).toEqual([]);
  });

  it('is NOT_FOUND for an unknown id and what can be none', async () => {
    for (const id of ['aa_0123456789abcdef01', '\u0000', 'x'.repeat(5_000)]) {
      const { value } = await open(transport).subscribe(one, { id }).next();
      expect(value.errors).toMatchObject([
        { extensions: { code: 'NOT_FOUND', requestId: expect.stringMatching(/^v-/) } },
      ]);
    }
  });
});

describe.each(both)('bulkTasks over %s', (transport) => {
  it('pushes every task of the project that fits the filter, and no other', async () => {
    await work();
    const stranger = await app.createProject();
    const pushed = open(transport).subscribe(many, { filter: { model: ['BULK_ISSUANCE'] } });
    const reading = pushed.next();
    await waitForSubscribers(1);
    const theirs = await issueCards(app, 3, stranger);
    await importVouchers(app, [{ code: `MANY ${transport}`, gift: { amount: 1 } }]);
    const ours = [await issueCards(app, 5), await issueCards(app, 5)];
    const ended = new Set<string>();
    const seen: Seen[] = [];
    let next = reading;
    while (ended.size < 2) {
      const { bulkTasks } = (await next).value.data as OfMany;
      seen.push(bulkTasks);
      if (bulkTasks.state === 'SUCCEEDED') ended.add(bulkTasks.id);
      if (ended.size < 2) next = pushed.next();
    }
    expect([...ended].sort()).toEqual([...ours].sort());
    expect(seen.map(({ id }) => id)).not.toContain(theirs);
    for (const id of ours) {
      const versions = seen.filter((task) => task.id === id).map(({ version }) => version);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    }
    await pushed.return?.();
  });
});

describe('a subscriber', () => {
  it.each(both)('over %s that leaves while it waits is forgotten', async (transport) => {
    const subscribing = open(transport);
    const pushed = subscribing.subscribe(many, { filter: { state: ['PAUSED'] } });
    const reading = pushed.next();
    await waitForSubscribers(1);
    await pushed.return?.();
    await waitForSubscribers(0);
    await reading;
  });

  it.each(both)('over %s whose connection breaks is forgotten', async (transport) => {
    const subscribing = open(transport);
    const reading = subscribing.subscribe(many, { filter: { state: ['PAUSED'] } }).next();
    const broken = reading.catch((error: unknown) => error);
    await waitForSubscribers(1);
    await subscribing.dispose();
    await waitForSubscribers(0);
    await broken;
  });

  it.each(both)('over %s that is gone before it is answered is forgotten', async (transport) => {
    const id = await issueCards(lonely, 1);
    const subscribing = open(transport, lonely);
    await lonely.app.db.transaction().execute(async (tx) => {
      await sql`lock table tasks in access exclusive mode`.execute(tx);
      const reading = subscribing.subscribe(one, { id }).next();
      const broken = reading.catch((error: unknown) => error);
      await waitForSubscribers(1, lonely);
      await subscribing.dispose();
      await broken;
    });
    await waitForSubscribers(0, lonely);
  });

  it('gets what is pushed without a query', async () => {
    const id = await issueCards(lonely, 10);
    const pushed = open('WebSocket', lonely).subscribe(one, { id });
    const { bulkTask } = await nextOf<OfOne>(pushed);
    expect(bulkTask.version).toBe(1);
    const task = await findTask(lonely.app.db, lonely.project.id, id);
    if (task === undefined) throw new Error('the task is gone');
    await lonely.app.db.transaction().execute(async (tx) => {
      await sql`lock table tasks in access exclusive mode`.execute(tx);
      lonely.app.bus.publish({ ...task, state: 'RUNNING', version: 2, startedAt: task.createdAt });
      expect(await nextOf<OfOne>(pushed)).toMatchObject({ bulkTask: { id, state: 'RUNNING', version: 2 } });
    });
  });

  it('whose token ends is told so, and its socket closed with 4403', async () => {
    const authorization = await app.project.bearer(2);
    const { client, subscribe, dispose } = overWebSocket(app, { authorization });
    onTestFinished(dispose);
    const closed = new Promise<unknown>((resolve) => client.on('closed', resolve));
    const pushed = subscribe(many);
    const reading = pushed.next().catch((error: unknown) => error);
    expect(await closed).toMatchObject({ code: 4403, reason: 'Forbidden' });
    await reading;
    await waitForSubscribers(0);
  });

  it('over server-sent events whose token ends gets UNAUTHENTICATED', async () => {
    const sse = overSse(app, { authorization: await app.project.bearer(2) });
    onTestFinished(sse.dispose);
    const pushed = sse.subscribe(many, { filter: { state: ['PAUSED'] } });
    const { value } = await pushed.next();
    expect(value.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    expect((await pushed.next()).done).toBe(true);
    await waitForSubscribers(0);
  });
});

describe('a gateway that stops', () => {
  it('closes a WebSocket with 1012 and cuts an event stream, and completes neither', async () => {
    const other = await startTestApp({ role: 'gateway', database: app.database });
    const { client, subscribe } = overWebSocket(other, app.project.headers);
    const overSocket = subscribe(many)
      .next()
      .catch((error: unknown) => error);
    const overStream = overSse(other, app.project.headers)
      .subscribe(many)
      .next()
      .catch((error: unknown) => error);
    await waitForSubscribers(2, other);
    const closed = new Promise<unknown>((resolve) => client.on('closed', resolve));
    const startedMs = performance.now();
    await other.stop();
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(await closed).toMatchObject({ code: 1012 });
    expect(await overSocket).toMatchObject({ code: 1012 });
    expect(await overStream).toBeInstanceOf(Error);
  });
});

async function waitForSubscribers(count: number, of = app): Promise<void> {
  const subscribers = async () => {
    const { values } = await of.app.metrics.subscribers.get();
    return values.reduce((sum, { value }) => sum + value, 0);
  };
  await waitFor(async () => (await subscribers()) === count, { message: `${count} subscribers are counted` });
}
