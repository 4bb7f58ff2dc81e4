import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/db/embedded.ts';
import { install } from '../../src/install.ts';
import { createLog } from '../../src/log.ts';
import { startRedis } from './redis.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The migrated template database of this run; nobody can connect to it, clone it with `createDatabase()`. */
    readonly databaseUrl: string;
    /** A database of the same server to create and drop others from. */
    readonly maintenanceUrl: string;
    /** A Redis that all test files share; start one with `startRedis()` to stop it. */
    readonly redisUrl: string;
  }
}

interface Service {
  readonly url: string;
  stop(): Promise<void>;
}

/** Brings up what the tests of this run share, and returns what ends it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await using opened = new AsyncDisposableStack();
  const redis = await openRedis();
  opened.defer(redis.stop);
  const postgres = await openPostgres();
  opened.defer(postgres.stop);
  const template = await createTemplate(postgres.url);
  opened.defer(template.drop);
  project.provide('databaseUrl', template.url);
  project.provide('maintenanceUrl', postgres.url);
  project.provide('redisUrl', redis.url);
  const shared = opened.move();
  return () => shared.disposeAsync();
}

async function openRedis(): Promise<Service> {
  const url = process.env.REDIS_URL;
  return url === undefined ? startRedis() : { url, stop: async () => undefined };
}

async function openPostgres(): Promise<Service> {
  const url = process.env.DATABASE_URL;
  if (url !== undefined) return { url, stop: async () => undefined };
  const dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-test-'));
  // When root runs the tests, Postgres runs as another user and has to get there.
  await chmod(dataDir, 0o755);
  const log = () => undefined;
  const postgres = await startEmbeddedPostgres({ dataDir, log, settings: { ...settings } });
  const stop = async () => {
    const kept = process.env.CI
      ? []
      : await query(postgres.url, `select datname from pg_database where datname ~ '^test_'`);
    await postgres.stop();
    if (kept.length > 0) {
      const look = `npx node test/support/embedded-owner.ts ${dataDir}`;
      console.error(`kept for failed tests: ${kept.map((row) => row.datname).join(' ')}; look inside with: ${look}`);
      return;
    }
    await rm(postgres.home, { recursive: true, force: true });
    await rm(dataDir, { recursive: true, force: true });
  };
  return { url: postgres.url, stop };
}

// The data is thrown away after the run, so it need not survive the machine; it still survives every process.
const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '400' };

async function createTemplate(maintenanceUrl: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `template_${randomBytes(6).toString('hex')}`;
  const url = new URL(maintenanceUrl);
  url.pathname = `/${name}`;
  await query(maintenanceUrl, `create database ${name}`);
  await install(url.href, createLog('silent'));
  // A clone cannot be made while somebody is connected to its template.
  await query(maintenanceUrl, `alter database ${name} with is_template true allow_connections false`);
  const drop = async () => {
    await query(maintenanceUrl, `alter database ${name} with is_template false`);
    await query(maintenanceUrl, `drop database ${name} with (force)`);
  };
  return { url: url.href, drop };
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(text);
    return rows;
  } finally {
    await client.end();
  }
}
