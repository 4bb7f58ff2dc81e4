import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
import type pg from 'pg';
import { createGate, type Gate, type GateBounds } from '../gate.ts';
import type { Tables } from './tables.ts';

/** The database as one project may use it: with few of the process's connections at a time. */
export interface ProjectReads {
  /** Throws UNAVAILABLE where too many queries of the project wait for a connection. */
  of(projectId: string): Kysely<Tables>;
}

interface Bounded {
  readonly db: Kysely<Tables>;
  readonly gate: Gate;
}

const maxKnown = 1_000;

export function openProjectReads(pool: pg.Pool, bounds: GateBounds): ProjectReads {
  const known = new Map<string, Bounded>();
  const forgetIdle = () => {
    for (const [projectId, { gate }] of known) if (gate.isIdle()) known.delete(projectId);
  };
  return {
    of: (projectId) => {
      const found = known.get(projectId);
      if (found !== undefined) return found.db;
      if (known.size >= maxKnown) forgetIdle();
      const bounded = boundDatabase(pool, bounds);
      known.set(projectId, bounded);
      return bounded.db;
    },
  };
}

function boundDatabase(pool: pg.Pool, bounds: GateBounds): Bounded {
  const gate = createGate(bounds);
  const connect = async () => {
    await gate.enter();
    try {
      return leaveOnRelease(await pool.connect(), gate);
    } catch (error) {
      gate.leave();
      throw error;
    }
  };
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: { connect, end: async () => undefined, options: {} } }),
  });
  return { db, gate };
}

function leaveOnRelease(client: pg.PoolClient, gate: Gate): PostgresPoolClient {
  const bounded = {
    query: client.query.bind(client),
    release: (destroy?: boolean) => {
      client.release(destroy);
      gate.leave();
    },
  };
  return bounded as unknown as PostgresPoolClient;
}
