import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../../src/db/client.ts';
import type { TaskKind } from '../../src/tasks/state.ts';
import { openFleet } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import { startPostgres } from '../support/postgres.ts';
import { createRandom } from '../support/random.ts';
import { startRedis } from '../support/redis.ts';
import { type Client, createChaosClient, type Followed, type Steering } from './clients.ts';
import { faults, startVictim, type Victims } from './faults.ts';
import { findLostCards, findWrongVouchers, useCards } from './records.ts';

export interface CampaignOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Tells what is being done. */
  readonly say: (line: string) => void;
}

/** What a campaign has on its hands while it runs. */
interface Campaign extends CampaignOptions {
  readonly client: Client;
  readonly tasks: Task[];
  readonly followed: Promise<Followed>[];
  /** The ids of cards that somebody has used. */
  readonly used: string[];
  readonly endsMs: number;
  /** Ends what still waits for a task when the campaign gives up. */
  readonly signal: AbortSignal;
}

interface Task {
  readonly id: string;
  readonly kind: TaskKind;
  hasEnded: boolean;
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
  const campaign: Campaign = { ...options, client, tasks: [], followed: [], used: [], endsMs, signal: gaveUp.signal };
  try {
    await Promise.all([startTasks(campaign), steerTasks(campaign, fleet.db), hurt(campaign, victims)]);
    await settle(campaign, victims);
  } finally {
    gaveUp.abort();
    await Promise.allSettled(campaign.followed);
    await Promise.all([...victims.gateways, ...victims.workers].map((running) => running.stop()));
  }
}

async function startTasks(campaign: Campaign): Promise<void> {
  const { seed, endsMs, client, say } = campaign;
  const random = createRandom(seed + 2);
  for (let number = 1; performance.now() < endsMs; number += 1) {
    const size = Math.ceil(random() ** 3 * mostItems);
    const isIssuance = random() < 0.5;
    const isDryRun = !isIssuance && random() < 0.4;
    const rows = Array.from({ length: Math.ceil(size / 8) }, () => random() > 0.05);
    const startedMs = performance.now();
    const id = await (isIssuance ? client.issue(size) : client.importCsv(`T${seed}-${number}-`, rows, isDryRun));
    const what = isIssuance
      ? `${size} cards`
      : `${isDryRun ? 'dry run of ' : ''}${rows.length} vouchers, ${rows.filter((isGood) => !isGood).length} bad`;
    say(`task ${id}: ${what}, started in ${Math.round(performance.now() - startedMs)} ms`);
    attend(campaign, { id, kind: isDryRun ? 'DRY_RUN' : 'RUN' });
    await delay(random() * 1_500);
  }
}

/** Follows a task that is new, and has it steered from now on. */
function attend({ client, tasks, followed, signal }: Campaign, { id, kind }: Omit<Task, 'hasEnded'>): void {
  if (tasks.some((known) => known.id === id)) return;
  const task: Task = { id, kind, hasEnded: false };
  tasks.push(task);
  const following = client.follow(id, signal).then((end) => {
    task.hasEnded = true;
    return end;
  });
  // It is heard of at the end.
  following.catch(() => undefined);
  followed.push(following);
}

const steps = [
  'cancelBulkTask',
  'pauseBulkTask',
  'resumeBulkTask',
  'pauseBulkTask',
  'resumeBulkTask',
  'retryBulkTaskFailures',
  'undoBulkTask',
  'undoBulkTask',
  'runDryRun',
  'useCards',
] as const satisfies readonly (Steering | 'useCards')[];

/** The tasks that a step is for; others would refuse it. */
const isFor: Readonly<Record<Steering, (task: Task) => boolean>> = {
  cancelBulkTask: ({ hasEnded }) => !hasEnded,
  pauseBulkTask: ({ hasEnded }) => !hasEnded,
  resumeBulkTask: ({ hasEnded }) => !hasEnded,
  retryBulkTaskFailures: ({ hasEnded, kind }) => hasEnded && kind !== 'UNDO',
  undoBulkTask: ({ hasEnded, kind }) => hasEnded && kind === 'RUN',
  runDryRun: ({ hasEnded, kind }) => hasEnded && kind === 'DRY_RUN',
};

/** What the task is that a step starts; else it is what the first one was. */
const kinds: Partial<Record<Steering, TaskKind>> = { undoBulkTask: 'UNDO', runDryRun: 'RUN' };

async function steerTasks(campaign: Campaign, db: Database): Promise<void> {
  const { seed, endsMs, client, tasks, used, say } = campaign;
  const random = createRandom(seed + 3);
  while (performance.now() < endsMs) {
    await delay(random() * 1_500);
    const step = steps[Math.floor(random() * steps.length)] ?? 'pauseBulkTask';
    const chance = random();
    if (step === 'useCards') {
      // What is not answered may have happened; it is not counted on.
      const ids = await useCards(db).catch((): string[] => []);
      used.push(...ids);
      say(`${ids.length} cards are used`);
      continue;
    }
    const recent = tasks.filter(isFor[step]).slice(-6);
    const task = recent[Math.floor(chance * recent.length)];
    if (task === undefined) continue;
    // Two ask at the same time.
    for (const { id, answer } of await Promise.all([client.steer(step, task.id), client.steer(step, task.id)])) {
      say(`${step} ${task.id}: ${answer}`);
      if (id !== undefined) attend(campaign, { id, kind: kinds[step] ?? task.kind });
    }
    const newest = tasks.at(-1);
    // Else hardly any of those that follow from others would be canceled before they have ended.
    if (kinds[step] !== undefined && newest?.kind === kinds[step] && random() < 0.4) {
      await delay(random() * 300);
      say(`cancelBulkTask ${newest.id}: ${(await client.steer('cancelBulkTask', newest.id)).answer}`);
    }
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
async function settle({ client, tasks, followed, used, say }: Campaign, { fleet }: Victims): Promise<void> {
  say('no more faults; what is paused goes on');
  for (const { id } of tasks) await client.steer('resumeBulkTask', id);
  await checkInvariants(fleet.db, settleMs);
  const problems = [...(await findWrongVouchers(fleet.db)), ...(await findLostCards(fleet.db, used))];
  if (problems.length > 0) throw new Error(`records are missing or too many: ${JSON.stringify(problems)}`);
  const ends = await Promise.all(followed);
  const { rows } = await sql<{ kind: string; state: string; tasks: number; items: number; failed: number }>`
    select kind, state, count(*) as tasks, sum(processed) as items, sum(failed) as failed
    from tasks group by kind, state order by kind, state`.execute(fleet.db);
  for (const { kind, state, tasks: count, items, failed } of rows)
    say(`${kind}: ${count} tasks ${state}, ${items} items, ${failed} of them failed`);
  const sum = (count: (end: Followed) => number) => ends.reduce((total, end) => total + count(end), 0);
  say(
    `${ends.length} subscribers saw ${sum((end) => end.updates)} versions over ${sum((end) => end.connections)} connections`,
  );
}
