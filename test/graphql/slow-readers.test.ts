import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Snapshot } from '../../src/tasks/snapshot.ts';
import { findTask } from '../../src/tasks/store.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { issueCards } from './client.ts';
import { openDoor } from './door.ts';
import { openRawSocket, type RawSocket } from './raw-socket.ts';

/** Some 70 KB each: two hundred are more than the system takes for a reader that has stopped. */
const long = Array.from({ length: 600 }, (_, index) => `${'oneOfManyFieldsThatSayTheSame'.repeat(2)}${index}: id`).join(
  ' ',
);
const one = `subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { version ${long} } } }`;
const many = `subscription { bulkTasks { ... on TaskProgress { version ${long} } } }`;
const operations = 200;

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

async function startTask(): Promise<Snapshot> {
  const id = await issueCards(app, 1);
  const task = await findTask(app.app.db, app.project.id, id);
  if (task === undefined) throw new Error('the task is gone');
  return task;
}

/** Subscribes often, and stops reading once all have their snapshot. */
async function openStopped(url: string, { id }: Snapshot): Promise<RawSocket> {
  const reader = await openRawSocket(url, app.project.headers);
  for (let count = 0; count < operations; count += 1) reader.subscribe(String(count), one, { id });
  await waitFor(() => reader.messages.length === operations, { message: 'all have the snapshot' });
  reader.socket.pause();
  return reader;
}

function versionsOf({ messages }: RawSocket, id: string): unknown[] {
  const own = messages.filter((message) => message.id === id && message.type === 'next');
  return own.map(({ payload }) => Reflect.get(Object(payload.data?.bulkTask), 'version'));
}

describe('a socket whose reader has stopped', () => {
  it('costs one snapshot, gets the newest when it reads again, and holds up nobody', async () => {
    const task = await startTask();
    const stopped = await openStopped(app.wsUrl, task);
    const quick = await openRawSocket(app.wsUrl, app.project.headers);
    quick.subscribe('quick', one, { id: task.id });
    await waitFor(() => quick.messages.length === 1, { message: 'the quick one has the snapshot' });
    for (let version = 2; version <= 6; version += 1) {
      app.app.bus.publish({ ...task, version });
      await waitFor(() => versionsOf(quick, 'quick').at(-1) === version, { message: `version ${version} is pushed` });
    }
    app.app.bus.publish({ ...task, version: 7, state: 'FAILED', completedAt: task.createdAt });
    await waitFor(() => quick.messages.at(-1)?.type === 'complete', { message: 'the quick one is through' });
    stopped.socket.resume();
    const completed = () => stopped.messages.filter(({ type }) => type === 'complete').length;
    await waitFor(() => completed() === operations, { message: 'the stopped one is through too' });
    let left = 0;
    for (let count = 0; count < operations; count += 1) {
      const versions = versionsOf(stopped, String(count));
      expect(versions).toStrictEqual([...new Set(versions)].sort((a, b) => Number(a) - Number(b)));
      expect([versions[0], versions.at(-1)]).toStrictEqual([1, 7]);
      left += 7 - versions.length;
    }
    // Less was written than two rounds of all its operations, of the six that there were.
    expect(left).toBeGreaterThan(4 * operations);
  });

  it('is closed with 1013 when it takes too long', async () => {
    const door = await openDoor(app, { slowReaderMs: 1_500 });
    const task = await startTask();
    const stopped = await openStopped(door.wsUrl, task);
    const quick = await openRawSocket(door.wsUrl, app.project.headers);
    quick.subscribe('quick', one, { id: task.id });
    await waitFor(() => quick.messages.length === 1, { message: 'the quick one has the snapshot' });
    const before = await subscribers();
    app.app.bus.publish({ ...task, version: 2 });
    await waitFor(() => versionsOf(quick, 'quick').at(-1) === 2, { message: 'the quick one has the change' });
    const closed = once(stopped.socket, 'close');
    const isGivenUp = () => app.logs.some(({ event }) => event === 'websocket.too_slow');
    await waitFor(isGivenUp, { message: 'the stopped one is given up' });
    stopped.socket.resume();
    expect((await closed)[0]).toBe(1013);
    await waitFor(async () => (await subscribers()) === before - operations, { message: 'it is forgotten' });
    app.app.bus.publish({ ...task, version: 3 });
    await waitFor(() => versionsOf(quick, 'quick').at(-1) === 3, { message: 'the quick one goes on' });
  });
});

describe('an event stream whose reader has stopped', () => {
  it('is cut off when it takes too long, and holds up nobody', async () => {
    const door = await openDoor(app, { slowReaderMs: 1_500 });
    const { hostname, port } = new URL(door.url);
    const stream = connect(Number(port), hostname);
    onTestFinished(() => void stream.destroy());
    const body = JSON.stringify({ query: many });
    const headers = {
      ...app.project.headers,
      accept: 'text/event-stream',
      host: 'localhost',
      'content-type': 'application/json',
      'content-length': body.length,
    };
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    stream.write(`POST /graphql HTTP/1.1\r\n${head.join('')}\r\n${body}`);
    const [first] = await once(stream, 'data');
    expect(String(first)).toContain('200 OK');
    stream.pause();
    const quick = await openRawSocket(door.wsUrl, app.project.headers);
    quick.subscribe('quick', 'subscription { bulkTasks { ... on TaskProgress { version } } }');
    await waitFor(async () => (await subscribers()) >= 2, { message: 'both have subscribed' });
    const task = await startTask();
    const changes = 300;
    await waitFor(
      () => {
        app.app.bus.publish({ ...task, id: 'aa_000000000000000000' });
        return quick.messages.length > 0;
      },
      { message: 'the project is followed' },
    );
    for (let count = 1; count < changes; count += 1) app.app.bus.publish({ ...task, id: `aa_${count}` });
    await waitFor(() => quick.messages.length >= changes, { message: 'the quick one has all' });
    await waitFor(async () => (await subscribers()) === 1, { message: 'the stopped one is cut off' });
  });
});

async function subscribers(): Promise<number> {
  const { values } = await app.app.metrics.subscribers.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}
