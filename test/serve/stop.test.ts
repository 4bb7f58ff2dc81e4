import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { makeUpCredentials } from '../../src/auth/projects.ts';
import { openDatabase } from '../../src/db/client.ts';
import { createLog } from '../../src/log.ts';
import { readTask } from '../../src/tasks/store.ts';
import { createDatabase } from '../support/database.ts';
import { startServe } from '../support/processes.ts';
import { waitFor } from '../support/wait.ts';
import { issueCards, keysOf } from './cluster.ts';

async function startOne(settings: Record<string, string> = {}) {
  const database = await createDatabase();
  const credentials = makeUpCredentials();
  const running = await startServe({
    DATABASE_URL: database.url,
    BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    BULKCAST_BOOTSTRAP_APP_ID: credentials.appId,
    BULKCAST_BOOTSTRAP_APP_TOKEN: credentials.appToken,
    BULKCAST_BOOTSTRAP_USERNAME: credentials.username,
    BULKCAST_BOOTSTRAP_PASSWORD: credentials.password,
    BULKCAST_BOOTSTRAP_PROGRAM_ID: credentials.programId,
    ...settings,
  });
  return { running, credentials, database };
}

test('SIGTERM finishes the chunks in hand, closes sockets with 1012 and exits 0 within ten seconds', async () => {
  const { running, credentials, database } = await startOne();
  const id = await issueCards(running, credentials, 2_000_000);
  const socket = new WebSocket(`${running.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: keysOf(credentials) }));
  await once(socket, 'message');
  const query = 'subscription ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { version } } }';
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { id } } }));
  await once(socket, 'message');
  const client = openDatabase({ url: database.url, maxConnections: 1, applicationName: 't', log: createLog('silent') });
  const isAtWork = async () => ((await readTask(client.db, id))?.processed ?? 0) > 0;
  await waitFor(isAtWork, { message: 'a chunk is applied', timeoutMs: 20_000 });

  const closed = once(socket, 'close');
  const startedMs = performance.now();
  expect(await running.stop('SIGTERM')).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  expect((await closed)[0]).toBe(1012);

  // Nothing was in flight any more: what is counted is what is there.
  const task = await readTask(client.db, id);
  const { count } = await client.db
    .selectFrom('gift_cards')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  expect(task).toMatchObject({ state: 'RUNNING', processed: count });
  expect(count).toBeLessThan(2_000_000);
  await client.stop();
});

test('Ctrl-C stops an idle process at once', async () => {
  const { running } = await startOne();
  const startedMs = performance.now();
  expect(await running.stop('SIGINT')).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(3_000);
});

test('SIGTERM to `npm start` stops what it has started', async () => {
  const { url } = await createDatabase();
  const child = spawn('npm', ['start'], {
    cwd: join(import.meta.dirname, '../..'),
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      DATABASE_URL: url,
      BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    },
    // A group of its own, for whoever is left of it.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => endGroup(child.pid));
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  await waitFor(() => output.includes('"worker.started"'), {
    timeoutMs: 20_000,
    message: () => `it is at work\n${output}`,
  });
  child.kill('SIGTERM');
  // Its output ends with the last process that holds it.
  await once(child.stdout, 'end', { signal: AbortSignal.timeout(20_000) });
  expect(output).toContain('"process.stopping"');
});

function endGroup(pid: number | undefined): void {
  try {
    process.kill(-(pid ?? Number.NaN), 'SIGKILL');
  } catch {
    // Nobody is left, as it should be.
  }
}

test('a database that lacks a migration is refused with what to do', async () => {
  const url = inject('maintenanceUrl');
  const settings = { DATABASE_URL: url, BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC' };
  await expect(startServe(settings)).rejects.toThrow('npm run migrate');
});

test('wrong settings are refused before anything starts', async () => {
  const settings = { DATABASE_URL: 'mysql://x', BULKCAST_ROLE: 'worker', PORT: '99999' };
  const refusal = startServe(settings);
  for (const name of ['DATABASE_URL', 'PORT']) await expect(refusal).rejects.toThrow(name);
});
