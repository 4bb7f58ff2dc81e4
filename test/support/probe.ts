import { sql } from 'kysely';
import { z } from 'zod';
import { itemList } from '../../src/tasks/input.ts';
import { defineOperation, type Failure } from '../../src/tasks/operation.ts';

export interface ProbeItem {
  readonly say: 'ok' | 'refuse' | 'throw' | 'hang' | 'mistake' | 'bad value' | 'outage' | 'slow';
  readonly name?: string;
}

/** An operation whose items say what happens to them. Each `ok` leaves one row in `probe_effects`, so that whatever is applied
 *  twice, or half, shows. `hang` waits until the test calls `release`, `slow` takes a fifth of a second. */
export function createProbe(options: { readonly chunkSize?: number } = {}) {
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let broken = true;
  let outages = 0;
  const operation = defineOperation<{ items: ProbeItem[] }, ProbeItem>({
    name: 'probe',
    model: 'ASYNC_ACTION',
    actionType: 'PROBE',
    result: { family: 'IMPORT', noun: 'probe', failure: { key: 'code', row: true } },
    chunkSize: options.chunkSize ?? 3,
    mutation: { name: 'probe', description: 'For tests.' },
    input: z.object({ items: itemList(z.object({ say: z.string() }), 'Items') }) as never,
    rest: null,
    plan: async ({ items }) => ({ parameters: { note: 'settled' }, items }),
    async apply(chunk, { tx, taskId }) {
      const failures: Failure[] = [];
      const done: number[] = [];
      chunk.items.forEach(({ say, name }, index) => {
        const row = chunk.firstRow + index;
        if (say === 'refuse') failures.push({ row, key: name ?? null, code: 'REFUSED', message: `row ${row} said so` });
        else done.push(row);
      });
      await sql`insert into probe_effects select ${taskId}, unnest(${done}::integer[])`.execute(tx);
      if (chunk.items.some(({ say }) => say === 'slow')) await sql`select pg_sleep(0.2)`.execute(tx);
      if (chunk.items.some(({ say }) => say === 'hang')) {
        reached.resolve();
        await held.promise;
      }
      const of = (word: string) => chunk.items.find(({ say }) => say === word);
      const mistaken = of('mistake');
      if (mistaken !== undefined) throw new TypeError(`cannot read ${mistaken.name}`);
      const bad = of('bad value');
      if (bad !== undefined) await sql`select ${bad.name}::integer`.execute(tx);
      if (broken && of('outage') !== undefined) {
        outages += 1;
        throw Object.assign(new Error('could not serialize access'), { code: '40001' });
      }
      if (broken && chunk.items.some(({ say }) => say === 'throw')) throw new Error('an item said throw');
      return { failures };
    },
  });
  return {
    operation,
    /** Lets a hanging chunk go on. */
    release: () => held.resolve(),
    /** Resolves when a chunk hangs. */
    hanging: reached.promise,
    /** How often an `outage` has been met. */
    outages: () => outages,
    /** From now on `throw` and `outage` are like `ok`. */
    mend: () => {
      broken = false;
    },
  };
}
