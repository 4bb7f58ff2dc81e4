import type { Auth } from './auth/auth.ts';
import type { SignedLinks } from './auth/links.ts';
import type { Config } from './config.ts';
import type { Database } from './db/client.ts';
import type { ProjectReads } from './db/project-reads.ts';
import type { RateLimits } from './limits/rate-limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Bus } from './progress/bus.ts';
import type { Feeds } from './progress/feeds.ts';
import type { PolledTasks } from './progress/polled-tasks.ts';
import type { TaskReader } from './progress/task-reader.ts';
import type { EngineDeps } from './tasks/engine.ts';
import type { UploadReader } from './uploads.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

/** What every door of a gateway is given. */
export interface GatewayDeps {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly db: Database;
  /** For what a caller's own documents read. */
  readonly projectReads: ProjectReads;
  readonly engine: EngineDeps;
  readonly bus: Bus;
  readonly feeds: Feeds;
  readonly polled: PolledTasks;
  /** Reads of single tasks; those that come together share a query. */
  readonly reader: TaskReader;
  /** One for all doors: it bounds the uploads of the gateway. */
  readonly uploads: UploadReader;
  readonly auth: Auth;
  readonly limits: RateLimits;
  readonly links: SignedLinks;
  readonly webhooks: Webhooks;
  /** Where clients reach the gateways, without a slash at the end; known only after it listens. */
  readonly publicUrl: () => string;
}
