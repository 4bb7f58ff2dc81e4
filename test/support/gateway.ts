import { inject } from 'vitest';
import { type App, openApp } from '../../src/app.ts';
import { createProject, makeUpCredentials, type ProjectCredentials } from '../../src/auth/projects.ts';
import { issueToken } from '../../src/auth/tokens.ts';
import { readConfig } from '../../src/config.ts';
import { startGateway } from '../../src/gateway.ts';
import type { Listener } from '../../src/listen.ts';
import type { Log, LogFields, LogLevel } from '../../src/log.ts';
import { startDeliveries, startWorker } from '../../src/worker.ts';
import { atEndOfFile } from './at-end.ts';
import { createDatabase, type TestDatabase } from './database.ts';

export interface TestProject extends ProjectCredentials {
  readonly id: string;
  /** The key pair, as request headers or connection parameters. */
  readonly headers: { readonly 'x-app-id': string; readonly 'x-app-token': string };
  /** A new token of the project's merchant, as `Bearer …`. */
  bearer(seconds?: number): Promise<string>;
}

export interface TestLogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

export interface TestApp {
  /** Where it listens, such as `http://127.0.0.1:4000`. */
  readonly url: string;
  /** The same for GraphQL over WebSocket. */
  readonly wsUrl: string;
  readonly app: App;
  readonly database: TestDatabase;
  readonly project: TestProject;
  readonly logs: readonly TestLogLine[];
  /** Another project, with its own key pair, merchant and program. */
  createProject(name?: string): Promise<TestProject>;
  /** May be called twice; at the end of the test file it is called anyway. */
  stop(): Promise<void>;
}

export interface TestAppOptions {
  /** `all` runs a worker too; a `gateway` alone leaves every task QUEUED, and uses the Redis of the test run. */
  readonly role?: 'all' | 'gateway';
  /** Settings as in the environment. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Another app's database, to run a second gateway beside it. */
  readonly database?: TestDatabase;
}

/** What every test app signs with. */
export const secret = 'a secret of the tests, long enough for HMAC';

/** A gateway on a free port of 127.0.0.1, in this process, on a database of its own, with one project. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const { role = 'all' } = options;
  const database = options.database ?? (await createDatabase());
  const environment = {
    PORT: '0',
    DATABASE_URL: database.url,
    BULKCAST_SECRET: secret,
    BULKCAST_ROLE: role,
    BULKCAST_WORKER_SLOTS: '2',
    ...(role === 'gateway' ? { REDIS_URL: inject('redisUrl') } : {}),
    ...options.settings,
  };
  const config = readConfig({ environment });
  const { log, logs } = collectLogs();
  const app = await openApp(config, database.url, log);
  let gateway: Listener | undefined;
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await gateway?.stop(2_000);
    await app.stop(5_000);
  };
  atEndOfFile(() => (stopped ??= stop()));
  gateway = await startGateway(app, secret);
  if (role === 'all') {
    startDeliveries(app, secret);
    await startWorker(app);
  }
  return {
    url: gateway.url,
    wsUrl: `${gateway.url.replace(/^http/, 'ws')}/graphql`,
    app,
    database,
    project: await addProject(app, 'Test project'),
    logs,
    createProject: (name = 'Another project') => addProject(app, name),
    stop: () => (stopped ??= stop()),
  };
}

async function addProject(app: App, name: string): Promise<TestProject> {
  const credentials = makeUpCredentials();
  const id = await createProject(app.db, name, credentials);
  return {
    ...credentials,
    id,
    headers: { 'x-app-id': credentials.appId, 'x-app-token': credentials.appToken },
    bearer: async (seconds = 600) =>
      `Bearer ${await issueToken(secret, { projectId: id, username: credentials.username }, seconds)}`,
  };
}

function collectLogs(): { log: Log; logs: TestLogLine[] } {
  const logs: TestLogLine[] = [];
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      logs.push({ level, event, fields });
    };
  return { logs, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}
