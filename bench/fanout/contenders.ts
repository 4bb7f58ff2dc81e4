import { fileURLToPath } from 'node:url';
import { type BenchService, startServer, startService } from '../support/service.ts';
import { chooseSelections, toDocument } from './documents.ts';
import type { Driver, Feed } from './feed.ts';
import { type Load, startLoad } from './load-client.ts';
import type { Scenario } from './scenarios.ts';

export const contenderNames = ['ours', 'plainWs', 'naive', 'mercurius'] as const;
export type ContenderName = (typeof contenderNames)[number];

/** A server, its subscribers and what feeds them: two processes, and a project of their own. */
export interface Contender extends AsyncDisposable {
  readonly name: ContenderName;
  readonly scenario: Scenario;
  readonly server: BenchService;
  readonly load: Load;
  readonly feed: Feed;
  /** Adds subscribers `first` up to `end`, each with its first snapshot. */
  subscribe(first: number, end: number): Promise<void>;
}

export interface Place {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly driver: Driver;
}

const scripts = {
  plainWs: 'plain-ws-server.ts',
  naive: 'naive-server.ts',
  mercurius: 'mercurius-server.ts',
} as const;

/** Starts the server and the load client of a contender; nobody has subscribed yet. */
export async function startContender(name: ContenderName, scenario: Scenario, place: Place): Promise<Contender> {
  await using opened = new AsyncDisposableStack();
  const feed = await place.driver.openFeed(scenario.tasks);
  const server = opened.use(await startContenderServer(name, scenario, place, feed));
  await feed.publishAll();
  const load = opened.use(startLoad());
  const { appId, appToken } = feed.credentials;
  const audience = {
    port: Number(new URL(server.url).port),
    connectionParams: { 'X-App-Id': appId, 'X-App-Token': appToken },
    documents: chooseSelections(scenario.documents).map(toDocument),
    taskIds: feed.taskIds,
  };
  const closing = opened.move();
  return {
    name,
    scenario,
    server,
    load,
    feed,
    subscribe: (first, end) => load.subscribe({ ...audience, first, count: end - first }),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

async function startContenderServer(name: ContenderName, scenario: Scenario, place: Place, feed: Feed) {
  const common = { NODE_ENV: 'production', REDIS_URL: place.redisUrl };
  if (name === 'ours') return startService(place.databaseUrl, { ...common, BULKCAST_ROLE: 'gateway' });
  return startServer([fileURLToPath(new URL(scripts[name], import.meta.url))], {
    ...common,
    PROJECT_ID: feed.projectId,
    DOCUMENTS: String(scenario.documents),
  });
}
