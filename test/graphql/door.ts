import { fastify } from 'fastify';
import { openAuth } from '../../src/auth/auth.ts';
import type { SignedLinks } from '../../src/auth/links.ts';
import { createSignedLinks } from '../../src/auth/links.ts';
import { registerGraphql } from '../../src/graphql/server.ts';
import { openRateLimits } from '../../src/limits/rate-limits.ts';
import { openFeeds } from '../../src/progress/feeds.ts';
import { openPolledTasks } from '../../src/progress/polled-tasks.ts';
import { createTaskReader } from '../../src/progress/task-reader.ts';
import { createUploadReader } from '../../src/uploads.ts';
import { createWebhooks } from '../../src/webhooks/webhooks.ts';
import { atEndOfFile } from '../support/at-end.ts';
import type { TestApp } from '../support/gateway.ts';

export interface Door {
  readonly url: string;
  readonly wsUrl: string;
  /** How many links were signed: as often as a `csvDownloadUrl` was executed. */
  readonly signed: number;
  /** Stops the door, not the server under it; at the end of the test file both are stopped anyway. */
  stop(): Promise<void>;
}

/** The GraphQL door alone, over an app's database and bus, with limits of its own. */
export async function openDoor({ app }: TestApp, limits?: { readonly slowReaderMs: number }): Promise<Door> {
  const secret = 'a secret of the tests, long enough for HMAC';
  const server = fastify();
  const reader = createTaskReader(app.db);
  const feeds = openFeeds({ ...app, reader });
  const real = createSignedLinks({ secret, seconds: 60, publicUrl: () => '' });
  let signed = 0;
  const links: SignedLinks = {
    ...real,
    sign: (path) => {
      signed += 1;
      return real.sign(path);
    },
  };
  const stallMs = app.config.BULKCAST_UPLOAD_STALL_MS;
  const auth = openAuth({ db: app.db, log: app.log, secret, maxAgeMs: app.config.BULKCAST_CREDENTIALS_MAX_AGE_MS });
  const uploads = createUploadReader({ maxUploads: 1, stallMs });
  const door = await registerGraphql(
    server,
    {
      ...app,
      feeds,
      polled: openPolledTasks({ ...app, feeds, reader, count: () => undefined }),
      reader,
      auth,
      limits: openRateLimits({ ...app, secret }),
      links,
      publicUrl: () => '',
      uploads,
      webhooks: createWebhooks(app.engine, secret, undefined),
    },
    limits,
  );
  const url = await server.listen();
  const stop = async () => {
    await Promise.all([door.stop(), door.stop()]);
    await Promise.all([feeds.stop(), auth.stop()]);
  };
  let stopped: Promise<void> | undefined;
  const stopOnce = () => (stopped ??= stop());
  atEndOfFile(async () => {
    await stopOnce();
    server.server.closeAllConnections();
    await server.close();
  });
  return {
    url,
    wsUrl: `${url.replace('http', 'ws')}/graphql`,
    get signed() {
      return signed;
    },
    stop: stopOnce,
  };
}
