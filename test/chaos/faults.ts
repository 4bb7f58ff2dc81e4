import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Fleet } from '../support/fleet.ts';
import type { OwnPostgres } from '../support/postgres.ts';
import type { ServeProcess } from '../support/processes.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

/** What a campaign hurts. */
export interface Victims {
  readonly fleet: Fleet;
  readonly postgres: OwnPostgres;
  readonly gateways: ServeProcess[];
  readonly workers: ServeProcess[];
  redis: RedisServer;
  readonly random: () => number;
}

type Fault = (victims: Victims) => Promise<string>;

/** Each hurts something and mends it again, and says what it did. */
export const faults: Readonly<Record<string, Fault>> = {
  'worker killed': (victims) => replace(victims, 'worker', 'kill'),
  'gateway killed': (victims) => replace(victims, 'gateway', 'kill'),
  'worker stopped': (victims) => replace(victims, 'worker', 'stop'),
  'gateway stopped': (victims) => replace(victims, 'gateway', 'stop'),
  'worker frozen': async (victims) => {
    const worker = pick(victims, victims.workers);
    const seconds = 1 + Math.floor(victims.random() * 14);
    process.kill(worker.pid, 'SIGSTOP');
    await delay(seconds * 1_000);
    process.kill(worker.pid, 'SIGCONT');
    return `pid ${worker.pid}, ${seconds} s`;
  },
  'connections cut': async ({ fleet }) => {
    const { rows } = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'bulkcast%' and pid <> pg_backend_pid()`.execute(
      fleet.db,
    );
    return `${rows.length} of them`;
  },
  'Postgres crashed': async ({ postgres, random }) => {
    const seconds = Math.floor(random() * 4);
    await postgres.crash();
    await delay(seconds * 1_000);
    await postgres.recover();
    return `away for ${seconds} s`;
  },
  'Redis killed': async (victims) => {
    const seconds = Math.floor(victims.random() * 6);
    await victims.redis.kill();
    await delay(seconds * 1_000);
    victims.redis = await startRedis({ port: victims.redis.port });
    return `away for ${seconds} s`;
  },
  'Redis frozen': async (victims) => {
    const seconds = 1 + Math.floor(victims.random() * 8);
    victims.redis.pause();
    await delay(seconds * 1_000);
    victims.redis.resume();
    return `${seconds} s`;
  },
};

const jumpingClock = { NODE_OPTIONS: `--import=${new URL('../support/jumping-clock.ts', import.meta.url).href}` };

/** Starts a process as a campaign has them; one worker in three has a clock that jumps. */
export function startVictim({ fleet, random }: Victims, role: 'gateway' | 'worker'): Promise<ServeProcess> {
  const hasJumpingClock = random() < 1 / 3;
  return fleet.start(role, role === 'worker' && hasJumpingClock ? jumpingClock : {});
}

async function replace(victims: Victims, role: 'gateway' | 'worker', how: 'kill' | 'stop'): Promise<string> {
  const all = role === 'worker' ? victims.workers : victims.gateways;
  const victim = pick(victims, all);
  const code = await victim[how]();
  if (how === 'stop' && code !== 0) throw new Error(`a ${role} that was asked to stop ended with code ${code}`);
  const next = await startVictim(victims, role);
  all[all.indexOf(victim)] = next;
  return `pid ${victim.pid}, now ${next.pid}`;
}

function pick<T>({ random }: Victims, all: readonly T[]): T {
  return all[Math.floor(random() * all.length)] as T;
}
