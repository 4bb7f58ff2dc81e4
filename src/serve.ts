import { type App, openApp } from './app.ts';
import { bootstrapProject, hasProject, type ProjectCredentials } from './auth/projects.ts';
import type { Config } from './config.ts';
import { startHealthServer } from './health.ts';
import { checkInstalled, install } from './install.ts';
import type { Listener } from './listen.ts';
import type { Log } from './log.ts';
import { startMetricsServer } from './metrics-server.ts';
import { startRetention } from './retention.ts';
import { openStandalone } from './standalone.ts';
import { startDeliveries, startWorker } from './worker.ts';

export interface Service {
  /** Where the process listens. */
  readonly url: string;
  /** The first project's credentials, where this process knows them: made up, or given by the settings. */
  readonly credentials: ProjectCredentials | undefined;
  /** True when they were made up now, and nobody has seen them yet. */
  readonly hasNewCredentials: boolean;
  /** No new work; chunks in hand are finished, streams sent away. Within ten seconds and the
   *  drain; may be called twice. */
  stop(): Promise<void>;
}

/** What a stop may take: requests in hand, then chunks in hand, then connections. */
const gatewayStopMs = 3_000;
const jobsStopMs = 5_000;

/** Plays the role that the configuration names until it is stopped. Throws when it cannot. */
export async function serve(config: Config, log: Log): Promise<Service> {
  await using opened = new AsyncDisposableStack();
  const place = await openPlace(config, log);
  opened.defer(place.stop);
  const app = await openApp(config, place.databaseUrl, log);
  opened.defer(() => app.stop(jobsStopMs));
  await ensureProject(app, place.credentials);
  const isGateway = config.BULKCAST_ROLE !== 'worker';
  const listener = isGateway ? await openGateway(app, place.secret) : await startHealthServer(app);
  opened.defer(() => listener.stop(gatewayStopMs));
  if (config.BULKCAST_METRICS_PORT !== undefined) {
    const metrics = await startMetricsServer(app, config.BULKCAST_METRICS_PORT);
    opened.defer(() => metrics.stop(gatewayStopMs));
  }
  if (config.BULKCAST_ROLE !== 'gateway') {
    startDeliveries(app, place.secret);
    await startWorker(app);
    const retention = startRetention(app);
    opened.defer(() => retention.stop());
  }

  const closing = opened.move();
  closing.defer(async () => log.info('process.stopping'));
  let stopped: Promise<void> | undefined;
  return {
    url: listener.url,
    credentials: place.credentials,
    hasNewCredentials: place.hasNewCredentials,
    stop: () => (stopped ??= closing.disposeAsync()),
  };
}

/** Loaded only where it is played: a worker needs no doors, and starts in half the time without them. */
async function openGateway(app: App, secret: string): Promise<Listener> {
  const { startGateway } = await import('./gateway.ts');
  return startGateway(app, secret);
}

/** Creates the first project where there is none yet; without credentials for one, says that nobody can call. */
async function ensureProject({ db, log }: App, credentials: ProjectCredentials | undefined): Promise<void> {
  if (credentials !== undefined && (await bootstrapProject(db, credentials))) {
    log.info('project.created', { appId: credentials.appId, program: credentials.programId });
  }
  if (credentials === undefined && !(await hasProject(db))) {
    log.warn('project.missing', { remedy: 'set the five BULKCAST_BOOTSTRAP_… settings: until then every call is 401' });
  }
}

/** A process with a database of its own installs it; one of many only checks, for migrations are a step of the deployment. */
async function openPlace(config: Config, log: Log) {
  if (config.DATABASE_URL === undefined) {
    const place = await openStandalone(config, log);
    await install(place.databaseUrl, log);
    return place;
  }
  await checkInstalled(config.DATABASE_URL);
  return {
    databaseUrl: config.DATABASE_URL,
    secret: config.BULKCAST_SECRET ?? '',
    credentials: configuredCredentials(config),
    hasNewCredentials: false,
    stop: async () => {},
  };
}

function configuredCredentials(config: Config): ProjectCredentials | undefined {
  const {
    BULKCAST_BOOTSTRAP_APP_ID: appId,
    BULKCAST_BOOTSTRAP_APP_TOKEN: appToken,
    BULKCAST_BOOTSTRAP_USERNAME: username,
    BULKCAST_BOOTSTRAP_PASSWORD: password,
    BULKCAST_BOOTSTRAP_PROGRAM_ID: programId,
  } = config;
  const isComplete = appId && appToken && username && password && programId;
  return isComplete ? { appId, appToken, username, password, programId } : undefined;
}
