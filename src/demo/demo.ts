import { openAsBlob } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import { z } from 'zod';
import type { ProjectCredentials } from '../auth/projects.ts';
import { type Config, ConfigError } from '../config.ts';
import type { Log } from '../log.ts';
import { type Service, serve } from '../serve.ts';
import { type DemoClient, openDemoClient } from './client.ts';
import { makeVoucherFile } from './voucher-file.ts';

const cards = 100_000;
const vouchers = 5_000;

const issue = `mutation ($programId: ID!, $count: Int!) {
  issueGiftCards(input: { programId: $programId, initialValue: "25.00", count: $count }) {
    task { id } userErrors { message }
  }
}`;
const importCsv = `mutation ($file: File!) {
  importVouchersCsv(input: { file: $file }) { task { id } userErrors { message } }
}`;
const outcome = `query ($cards: ID!, $vouchers: ID!) {
  cards: bulkTask(id: $cards) { ... on BulkIssuanceTask { csvDownloadUrl } }
  vouchers: bulkTask(id: $vouchers) { ... on TaskProgress { failures(first: 6) { nodes { row key message } } } }
}`;

/** Starts everything, then does the main job through the API as a client would, telling what it sees. Returns the service,
 *  which still serves; with `thenServes` it tells where. */
export async function demo(config: Config, log: Log, options: { readonly thenServes: boolean }): Promise<Service> {
  say('Starting gateway, worker and database …');
  const service = await serve(config, log);
  try {
    const { credentials } = service;
    if (credentials === undefined) throw new ConfigError('the demo needs the settings BULKCAST_BOOTSTRAP_…');
    const client = openDemoClient(service.url, credentials);
    await runMainJob(client, credentials, join(config.BULKCAST_DATA_DIR, 'demo-vouchers.csv'));
    await client.close();
    if (options.thenServes) tellWhereItServes(service.url, credentials);
    return service;
  } catch (error) {
    await service.stop();
    throw error;
  }
}

async function runMainJob(client: DemoClient, credentials: ProjectCredentials, path: string): Promise<void> {
  await writeFile(path, makeVoucherFile(vouchers, 'demo'));
  const { programId } = credentials;
  say(
    `\nIssuing ${cards} gift cards and importing ${vouchers} vouchers from ${path}; progress comes over the WebSocket:\n`,
  );
  const cardsTask = await client.start(issue, { programId, count: cards });
  const vouchersTask = await client.start(importCsv, { file: null }, await openAsBlob(path));
  await showProgress(client, { 'gift cards': cardsTask, vouchers: vouchersTask });

  const issuancePath = `/v2/giftcards/programs/${programId}/cards/bulk/${cardsTask}`;
  const actionPath = `/v1/async-actions/${vouchersTask}`;
  say(`\nGET ${issuancePath}\n${show(await client.poll(issuancePath, 'token'))}`);
  say(`\nGET ${actionPath}\n${show(shorten(await client.poll(actionPath, 'key')))}`);
  const { csvDownloadUrl, failures } = readOutcome(
    await client.query(outcome, { cards: cardsTask, vouchers: vouchersTask }),
  );
  say(`\nThe cards as CSV: ${csvDownloadUrl}`);
  say('\nThe first rows of the voucher file that were refused:');
  for (const { row, key, message } of failures) say(`  row ${row} ${key || '(no code)'}: ${message}`);
}

/** One bar a task, drawn from the pushed snapshots; lines instead of bars where there is no terminal. */
async function showProgress(client: DemoClient, tasks: Readonly<Record<string, string>>): Promise<void> {
  const bars = new MultiBar(
    {
      format: '  {name} {bar} {percentage}% | {value}/{total} | {failed} failed | {rate}/s | {state}',
      hideCursor: true,
      stream: process.stdout,
      noTTYOutput: true,
      notTTYSchedule: 1_000,
    },
    Presets.shades_classic,
  );
  await Promise.all(
    Object.entries(tasks).map(async ([name, id]) => {
      let bar: SingleBar | undefined;
      for await (const { state, counts, ratePerSecond } of client.watch(id)) {
        const shown = { name: name.padEnd(10), failed: counts.failed, rate: Math.round(ratePerSecond ?? 0), state };
        bar ??= bars.create(counts.total, 0, shown);
        bar.update(counts.processed, shown);
      }
    }),
  );
  bars.stop();
}

const outcomeData = z.object({
  cards: z.object({ csvDownloadUrl: z.string() }),
  vouchers: z.object({
    failures: z.object({
      nodes: z.array(z.object({ row: z.number(), key: z.string().nullable(), message: z.string() })),
    }),
  }),
});

function readOutcome(data: unknown) {
  const { cards, vouchers } = outcomeData.parse(data);
  return { csvDownloadUrl: cards.csvDownloadUrl, failures: vouchers.failures.nodes };
}

const listing = z.looseObject({ result: z.looseObject({ failed: z.array(z.unknown()) }) });

/** The answer with only the first two entries of `failed`, to fit a screen. */
function shorten(body: unknown): unknown {
  const { success, data } = listing.safeParse(body);
  if (!success) return body;
  const { failed } = data.result;
  const shown = [...failed.slice(0, 2), `… ${Math.max(failed.length - 2, 0)} more`];
  return { ...data, result: { ...data.result, failed: shown } };
}

function tellWhereItServes(url: string, credentials: ProjectCredentials): void {
  say(`
Serving now; Ctrl-C ends it.
  GraphiQL     ${url}/graphql
  WebSocket    ${url.replace(/^http/, 'ws')}/graphql
  REST         ${url}/v1, ${url}/v2
  health       ${url}/readyz
  metrics      ${url}/metrics

  X-App-Id     ${credentials.appId}
  X-App-Token  ${credentials.appToken}
  username     ${credentials.username}
  password     ${credentials.password}
  programId    ${credentials.programId}
`);
}

function show(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
