import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { openFleet } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRandom } from '../support/random.ts';
import { startRedis } from '../support/redis.ts';
import { type Client, createChaosClient, type Followed } from './clients.ts';
import { faults, startVictim, type Victims } from './faults.ts';

export interface CampaignOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Tells what is being done. */
  readonly say: (line: string) => void;
}

/** What a campaign has on its hands while it runs. */
interface Campaign extends CampaignOptions {
  readonly client: Client;
  readonly ids: string[];
  readonly followed: Promise<Followed>[];
  readonly endsMs: number;
  /** Ends what still waits for a task when the campaign gives up. */
  readonly signal: AbortSignal;
}

const workers = 3;
const gateways = 2;
const mostItems = 400_000;
const settleMs = 240_000;

/**
 * Runs tasks of several kinds on several gateways and workers, hurts them as the seed says, and at the end lets all of it come to rest.
 * Throws when an invariant of the database does not hold, or a subscriber saw what it must not see.
 */
export async function runCampaign(options: CampaignOptions): Promise<void> {
  const { seed, minutes, say } = options;
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  const fleet = await openFleet({ databaseUrl: postgres.url, redisUrl: redis.url });
  const victims: Victims = { fleet, postgres, redis, gateways: [], workers: [], random: createRandom(seed) };
  for (let index = 0; index < gateways; index += 1) victims.gateways.push(await startVictim(victims, 'gateway'));
  for (let index = 0; index < workers; index += 1) victims.workers.push(await startVictim(victims, 'worker'));
  say(`${gateways} gateways and ${workers} workers are up`);

  const random = createRandom(seed + 1);
  const gateway = () => victims.gateways[Math.floor(random() * victims.gateways.length)]?.url ?? '';
  const client = createChaosClient({ credentials: fleet.credentials, gateway, say });
  const gaveUp = new AbortController();
  const endsMs = performance.now() + minutes * 60_000;
  const campaign: Campaign = { ...options, client, ids: [], followed: [], endsMs, signal: gaveUp.signal };
  try {
    await Promise.all([startTasks(campaign), steerTasks(campaign), hurt(campaign, victims)]);
    await settle(campaign, victims);
  } finally {
    gaveUp.abort();
    await Promise.allSettled(campaign.followed);
    await Promise.all([...victims.gateways, ...victims.workers].map((running) => running.stop()));
  }
}

async function startTasks({ seed, endsMs, client, ids, followed, say, signal }: Campaign): Promise<void> {
  const random = createRandom(seed + 2);
  for (let number = 1; performance.now() < endsMs; number += 1) {
    const size = Math.ceil(random() ** 3 * mostItems);
    const isIssuance = random() < 0.5;
    const rows = Array.from({ length: Math.ceil(size / 8) }, () => random() > 0.05);
    const startedMs = performance.now();
    const id = await (isIssuance ? client.issue(size) : client.importCsv(`T${seed}-${number}-`, rows));
    const what = isIssuance
      ? `${size} cards`
      : `${rows.length} vouchers, ${rows.filter((isGood) => !isGood).length} bad`;
    say(`task ${id}: ${what}, started in ${Math.round(performance.now() - startedMs)} ms`);
    ids.push(id);
    const following = client.follow(id, signal);
    // It is heard of at the end.
    following.catch(() => undefined);
    followed.push(following);
    await delay(random() * 1_500);
  }
}

const steps = [
  'cancelBulkTask',
  'pauseBulkTask',
  'resumeBulkTask',
  'pauseBulkTask',
  'resumeBulkTask',
  'retryBulkTaskFailures',
] as const;

async function steerTasks({ seed, endsMs, client, ids, say }: Campaign): Promise<void> {
  const random = createRandom(seed + 3);
  while (performance.now() < endsMs) {
    await delay(random() * 1_500);
    const step = steps[Math.floor(random() * steps.length)] ?? 'pauseBulkTask';
    const recent = ids.slice(-6);
    const id = recent[Math.floor(random() * recent.length)];
    if (id !== undefined) say(`${step} ${id}: ${await client.steer(step, id)}`);
  }
}

async function hurt({ endsMs, say }: Campaign, victims: Victims): Promise<void> {
  const names = Object.keys(faults);
  while (performance.now() < endsMs) {
    await delay(victims.random() * 3_000);
    const name = names[Math.floor(victims.random() * names.length)] ?? '';
    say(`${name} …`);
    say(`${name}: ${await faults[name]?.(victims)}`);
  }
}

/** Lets everything go on to its end, and looks whether all is as it must be. */
async function settle({ client, ids, followed, say }: Campaign, { fleet }: Victims): Promise<void> {
  say('no more faults; what is paused goes on');
  for (const id of ids) await client.steer('resumeBulkTask', id);
  await checkInvariants(fleet.db, settleMs);
  const problems = await findWrongVouchers(fleet.db);
  if (problems.length > 0) throw new Error(`vouchers are missing or too many: ${JSON.stringify(problems)}`);
  const ends = await Promise.all(followed);
  const { rows } = await sql<{ state: string; tasks: number; items: number }>`
    select state, count(*) as tasks, sum(processed) as items from tasks group by state order by state`.execute(
    fleet.db,
  );
  for (const { state, tasks, items } of rows) say(`${tasks} tasks ${state}, ${items} items`);
  const sum = (count: (end: Followed) => number) => ends.reduce((total, end) => total + count(end), 0);
  say(
    `${ends.length} subscribers saw ${sum((end) => end.updates)} versions over ${sum((end) => end.connections)} connections`,
  );
}

/** The imports whose vouchers are not as many as its rows that succeeded; the codes of each begin with its own prefix. */
async function findWrongVouchers(db: Victims['fleet']['db']): Promise<unknown[]> {
  const { rows } = await sql`
    select expected.succeeded, written.vouchers
    from (select coalesce(sum(succeeded), 0) as succeeded from tasks where operation = 'vouchers.import_csv') as expected,
      (select count(*) as vouchers from vouchers) as written
    where expected.succeeded <> written.vouchers`.execute(db);
  return rows;
}
