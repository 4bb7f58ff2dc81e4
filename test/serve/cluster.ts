import { createClient } from 'graphql-ws';
import { expect } from 'vitest';
import { makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { createDatabase } from '../support/database.ts';
import { holdTable } from '../support/held-table.ts';
import { type ServeProcess, startServe } from '../support/processes.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { waitFor } from '../support/wait.ts';

export interface Cluster {
  readonly gateways: readonly ServeProcess[];
  readonly workers: readonly ServeProcess[];
  readonly redis: RedisServer;
  readonly credentials: ProjectCredentials;
  readonly environment: ReturnType<typeof environmentOf>;
  /** Stops all processes and returns their exit codes. */
  stop(): Promise<(number | null)[]>;
}

export interface Update {
  readonly state: string;
  readonly version: number;
  readonly counts: { readonly processed: number; readonly total: number };
}

/** Two gateways and two workers as four processes over one Postgres and one Redis, as docker-compose.yml has them. */
export async function startCluster(): Promise<Cluster> {
  const [{ url }, redis] = await Promise.all([createDatabase(), startRedis()]);
  const credentials = makeUpCredentials();
  const environment = environmentOf(url, redis.url, credentials);
  const start = (role: string) => startServe({ ...environment, BULKCAST_ROLE: role });
  const processes = await Promise.all(['gateway', 'gateway', 'worker', 'worker'].map(start));
  return {
    gateways: processes.slice(0, 2),
    workers: processes.slice(2),
    redis,
    credentials,
    environment,
    stop: () => Promise.all(processes.map((running) => running.stop())),
  };
}

/** The settings that all processes of an installation share. */
export function environmentOf(databaseUrl: string, redisUrl: string, credentials: ProjectCredentials) {
  return {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    BULKCAST_BOOTSTRAP_APP_ID: credentials.appId,
    BULKCAST_BOOTSTRAP_APP_TOKEN: credentials.appToken,
    BULKCAST_BOOTSTRAP_USERNAME: credentials.username,
    BULKCAST_BOOTSTRAP_PASSWORD: credentials.password,
    BULKCAST_BOOTSTRAP_PROGRAM_ID: credentials.programId,
  };
}

const issue = `mutation ($programId: ID!, $count: Int!) {
  issueGiftCards(input: { programId: $programId, initialValue: "5.00", count: $count }) { task { id } userErrors { message } }
}`;

/** Starts an issuance at a gateway and returns its id. */
export async function issueCards(gateway: { url: string }, credentials: ProjectCredentials, count: number) {
  const variables = { programId: credentials.programId, count };
  type Data = { issueGiftCards: { task: { id: string } } };
  return (await ask<Data>(gateway, credentials, issue, variables)).issueGiftCards.task.id;
}

/** Issues cards in three steps, each of which waits for an update about the one before, and returns all that came. */
export async function followInSteps(
  { started, watched }: { readonly started: { url: string }; readonly watched: { url: string } },
  { DATABASE_URL }: { readonly DATABASE_URL: string },
  credentials: ProjectCredentials,
): Promise<Update[]> {
  const held = await holdTable(DATABASE_URL, 'gift_cards');
  const id = await issueCards(started, credentials, 60_000);
  const seen: Update[] = [];
  const watching = watch(watched, credentials, id, seen);
  const sees = (state: string, processed: number) => () =>
    seen.some((update) => update.state === state && update.counts.processed >= processed);
  await waitFor(sees('RUNNING', 0), { message: 'a worker has begun' });
  const isApplied = async () => {
    await held.letThrough();
    return (await countProcessed(started, credentials, id)) > 0;
  };
  await waitFor(isApplied, { message: 'the first chunks are applied' });
  await waitFor(sees('RUNNING', 10_000), { message: 'the first chunks are told' });
  await held.release();
  return watching;
}

async function countProcessed(gateway: { url: string }, credentials: ProjectCredentials, id: string): Promise<number> {
  const query = 'query ($id: ID!) { bulkTask(id: $id) { ... on TaskProgress { counts { processed } } } }';
  const { bulkTask } = await ask<{ bulkTask: Pick<Update, 'counts'> }>(gateway, credentials, query, { id });
  return bulkTask.counts.processed;
}

async function ask<Data>(
  gateway: { url: string },
  credentials: ProjectCredentials,
  query: string,
  variables: object,
): Promise<Data> {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { ...keysOf(credentials), 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return ((await response.json()) as { data: Data }).data;
}

/** Follows a task at a gateway; the official client, which comes back by itself when its socket is closed. */
export async function watch(
  gateway: { url: string },
  credentials: ProjectCredentials,
  id: string,
  updates: Update[] = [],
): Promise<Update[]> {
  const client = createClient({
    url: `${gateway.url.replace('http', 'ws')}/graphql`,
    connectionParams: keysOf(credentials),
  });
  const query = `subscription ($id: ID!) {
    bulkTask(id: $id) { ... on TaskProgress { state version counts { processed total } } }
  }`;
  for await (const { data, errors } of client.iterate<{ bulkTask: Update }>({ query, variables: { id } })) {
    if (errors !== undefined || data == null) throw new Error(JSON.stringify(errors));
    updates.push(data.bulkTask);
  }
  await client.dispose();
  return updates;
}

export function keysOf({ appId, appToken }: ProjectCredentials) {
  return { 'X-App-Id': appId, 'X-App-Token': appToken };
}

/** Versions only grow, and the end comes once. */
export function expectOrder(updates: readonly Update[]): void {
  const versions = updates.map((update) => update.version);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  expect(updates.filter((update) => update.state === 'SUCCEEDED')).toHaveLength(1);
}

/** A metric, by its name with its labels, as the process tells it. */
export async function readMetric({ url }: { url: string }, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
