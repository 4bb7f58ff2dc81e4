import { once } from 'node:events';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parse } from 'csv-parse/sync';
import { beforeAll, expect, test } from 'vitest';
import { createSignedLinks } from '../../src/auth/links.ts';
import type { SyncResponse } from '../../src/rest/bulk-issuance/shapes.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { waitFor } from '../support/wait.ts';
import { type Client, createClient, present, sendRaw } from './client.ts';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await startTestApp({ settings: { BULKCAST_POLL_CARDS: '0', BULKCAST_UPLOAD_STALL_MS: '1000' } });
  client = createClient(app);
});

const columns = 'id,cardNumber,lastFourDigits,balance,currency,expiresAt,customerEmail,customerName';

test('writes RFC 4180 with the columns of the contract, and no cell that a spreadsheet takes for a formula', async () => {
  const names = ['Ann "Annie" Lee', 'a,b', 'two\r\nlines', '=1+1', '+49 1', '-2', '@x', '\tx', 'Zoë 李'];
  const recipients = names.map((customerName) => ({ customerName, customerEmail: 'ann@example.com' }));
  const { body } = await client.post<SyncResponse>(client.bulk, { initialValue: 5, recipients });
  const response = await fetch(present(body.csvDownloadUrl));
  const text = await response.text();
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
  expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="gift-cards-[0-9a-f-]{36}\.csv"$/);
  expect(response.headers.get('cache-control')).toBe('private, no-store');
  expect(text.startsWith(`${columns}\r\n`)).toBe(true);
  expect(text).toContain('"Ann ""Annie"" Lee"');
  const rows: Record<string, string>[] = parse(text, { columns: true, record_delimiter: '\r\n' });
  expect(rows.map((row) => row.customerName)).toEqual([
    'Ann "Annie" Lee',
    'a,b',
    'two\r\nlines',
    "'=1+1",
    "'+49 1",
    "'-2",
    "'@x",
    "'\tx",
    'Zoë 李',
  ]);
  expect(rows.map((row) => row.id)).toEqual(body.cards.map((card) => card.id));
  expect(rows[0]).toMatchObject({
    ...body.cards[0],
    balance: '5.00',
    currency: 'USD',
    customerEmail: 'ann@example.com',
  });
});

test('opens for the holder of the link and for nobody else', async () => {
  const { csvDownloadUrl } = await client.issue(60);
  const url = new URL(present(csvDownloadUrl));
  const change = (name: string, value: string | null) => {
    const changed = new URL(url);
    if (value === null) changed.searchParams.delete(name);
    else changed.searchParams.set(name, value);
    return changed;
  };
  const expires = Number(url.searchParams.get('expires'));
  const otherTask = new URL(url);
  otherTask.pathname = url.pathname.replace(/bulk\/[^/]+/, 'bulk/00000000-0000-4000-8000-000000000000');
  const past = createSignedLinks({
    secret: 'a secret of the tests, long enough for HMAC',
    seconds: 60,
    publicUrl: () => app.url,
  });
  const wrong = [
    change('signature', null),
    change('signature', 'forged'),
    change('expires', String(expires + 3600)),
    change('expires', null),
    otherTask,
    new URL(`${url}&signature=twice`),
    new URL(past.sign(url.pathname, { now: new Date(Date.now() - 3600 * 1000) })),
  ];
  for (const link of wrong) {
    const response = await fetch(link, { headers: app.project.headers });
    expect([link.search, response.status]).toEqual([link.search, 403]);
    expect(await response.json()).toEqual({ detail: expect.any(String) });
  }
  expect((await fetch(url)).status).toBe(200);
});

test('answers 404 to a good link of a task that is not there, or not in that program', async () => {
  const links = createSignedLinks({
    secret: 'a secret of the tests, long enough for HMAC',
    seconds: 60,
    publicUrl: () => app.url,
  });
  const { taskId } = await client.issue(60);
  const stranger = await app.createProject();
  for (const [program, task] of [
    [app.project.programId, '00000000-0000-4000-8000-000000000000'],
    [stranger.programId, taskId],
    ['0'.repeat(24), taskId],
  ]) {
    const response = await fetch(links.sign(`/v2/giftcards/programs/${program}/cards/bulk/${task}/cards.csv`));
    expect([response.status, await response.json()]).toEqual([404, { detail: 'Task not found' }]);
  }
});

test('answers HEAD without reading a card', async () => {
  const { csvDownloadUrl } = await client.issue(60);
  const response = await fetch(present(csvDownloadUrl), { method: 'HEAD' });
  expect([response.status, await response.text()]).toEqual([200, '']);
  expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
});

test('streams 100,000 cards in flat memory, as fast as they are read', { timeout: 60_000 }, async () => {
  const { csvDownloadUrl } = await client.issue(100_000);
  const url = present(csvDownloadUrl);
  const { lines, bytes, growth } = await download(url);
  expect(lines).toBe(100_001);
  expect(bytes).toBeGreaterThan(8_000_000);
  expect(growth).toBeLessThan(12_000_000);
});

/** Reads a download and throws it away; `growth` is what this process, which is the server's too, holds on to meanwhile. */
async function download(url: string): Promise<{ lines: number; bytes: number; growth: number }> {
  const before = heldBytes();
  let [peak, bytes, lines, measuredAt] = [before, 0, 0, 0];
  const response = await fetch(url);
  for await (const chunk of present(response.body)) {
    bytes += chunk.length;
    lines += chunk.filter((byte: number) => byte === 10).length;
    if (bytes < measuredAt + 1_000_000) continue;
    peak = Math.max(peak, heldBytes());
    measuredAt = bytes;
  }
  return { lines, bytes, growth: peak - before };
}

/** The heap without its garbage. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

test('reads no further for a client that reads no more, and lets go of it', { timeout: 60_000 }, async () => {
  const { csvDownloadUrl } = await client.issue(100_000);
  const url = new URL(present(csvDownloadUrl));
  const socket = connect(Number(url.port), url.hostname).on('error', () => undefined);
  socket.pause();
  socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const isGivenUp = () => app.logs.some(({ event }) => event === 'download.stalled');
  await waitFor(isGivenUp, { message: 'the server gives the download up' });
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
  socket.resume();
  await closed;
  expect(socket.bytesRead).toBeGreaterThan(0);
  expect(socket.bytesRead).toBeLessThan(8_000_000);
});

test('survives a client that leaves in the middle', async () => {
  const { csvDownloadUrl } = await client.issue(60_000);
  const leaving = new AbortController();
  const response = await fetch(present(csvDownloadUrl), { signal: leaving.signal });
  const reader = present(response.body).getReader();
  await reader.read();
  leaving.abort();
  await expect(reader.read()).rejects.toThrow();
  const url = new URL(present(csvDownloadUrl));
  const raw = await sendRaw(
    app.url,
    `HEAD ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  expect(raw).toMatch(/^HTTP\/1\.1 200 /);
  expect(app.logs.filter(({ level }) => level === 'error')).toEqual([]);
});
