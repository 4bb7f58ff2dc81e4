import { sql } from 'kysely';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { type HeldTable, holdTable } from '../support/held-table.ts';
import { waitFor } from '../support/wait.ts';
import { ask, issueCards, overWebSocket, succeeded } from './client.ts';

interface Shown {
  readonly version: number;
  readonly ratePerSecond: number | null;
  readonly estimatedCompletionAt: string | null;
}

const fields = '... on TaskProgress { version ratePerSecond estimatedCompletionAt }';
const query = `query ($id: ID!) { bulkTask(id: $id) { ${fields} } }`;
const subscription = `subscription ($id: ID!) { bulkTask(id: $id) { ${fields} } }`;
const neither = { ratePerSecond: null, estimatedCompletionAt: null };

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

async function show(id: string): Promise<Shown> {
  return (await ask<{ bulkTask: Shown }>(app, query, { id })).data.bulkTask;
}

/** An issuance whose workers wait in the middle of their chunks, of which some are through. */
async function startHeld(): Promise<{ readonly id: string; readonly cards: HeldTable }> {
  const cards = await holdTable(app.database.url, 'gift_cards');
  const id = await issueCards(app, 120_000);
  await letThrough(id, cards, 2);
  await waitFor(async () => (await cards.countWaiting()) > 0, { message: 'the next chunk waits' });
  return { id, cards };
}

/** Lets the chunks in hand through as if they had taken so long. */
async function letThrough(id: string, cards: HeldTable, seconds: number): Promise<void> {
  await waitFor(async () => (await cards.countWaiting()) > 0, { message: 'a chunk waits' });
  await age(id, seconds);
  await cards.letThrough();
}

async function age(id: string, seconds: number): Promise<void> {
  await sql`update tasks set version = version + 1, rate_at = clock_timestamp() - make_interval(secs => ${seconds})
    where id = ${id}`.execute(app.app.db);
}

describe('a task that stalls', () => {
  test('tells neither rate nor estimate, and does not count the stall once it goes on', async () => {
    const { id, cards } = await startHeld();
    const running = await show(id);
    expect(running.ratePerSecond).toBeGreaterThan(2_000);
    expect(Date.parse(running.estimatedCompletionAt ?? '')).toBeGreaterThan(Date.now());
    await age(id, 41);
    expect(await show(id)).toMatchObject(neither);
    await letThrough(id, cards, 41);
    expect(await show(id)).toMatchObject(neither);
    await letThrough(id, cards, 2);
    const again = await show(id);
    expect(again.ratePerSecond).toBeGreaterThan(2_000);
    const secondsLeft = (Date.parse(again.estimatedCompletionAt ?? '') - Date.now()) / 1000;
    expect(secondsLeft).toBeLessThan(60);
    await cards.release();
    await succeeded(app, id);
  });

  test('is told so to who joins others that were told its rate', async () => {
    const { id, cards } = await startHeld();
    // The rate holds three seconds more.
    await age(id, 27);
    const socket = overWebSocket(app);
    onTestFinished(() => socket.dispose());
    const join = async () => {
      const { value } = await socket.subscribe(subscription, { id }).next();
      return (value.data as { bulkTask: Shown }).bulkTask;
    };
    const first = await join();
    expect(first.ratePerSecond).toBeGreaterThan(2_000);
    await waitFor(async () => (await show(id)).ratePerSecond === null, { message: 'the rate is too old' });
    expect(await join()).toEqual({ ...first, ...neither });
    await cards.release();
    await succeeded(app, id);
  });
});
