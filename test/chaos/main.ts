// `npm run chaos -- --seed N --minutes M`: a randomised campaign of faults. Ends with code 1, and the seed, when something is not as it must be.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runEndings } from '../support/at-end.ts';
import { runCampaign } from './campaign.ts';

const { seed, minutes } = readArguments();

const startedMs = performance.now();
const say = (line: string) =>
  console.log(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

say(`seed ${seed}, ${minutes} minutes`);
try {
  await runCampaign({ seed, minutes, say });
  say(`all invariants hold (seed ${seed})`);
} catch (error) {
  console.error(error);
  say(`VIOLATED; once more with: npm run chaos -- --seed ${seed} --minutes ${minutes}`);
  process.exitCode = 1;
}
await runEndings({ hasFailed: process.exitCode === 1 });
// The embedded Postgres and Redis are gone; a broken connection to them may still be waited for.
process.exit();

function readArguments(): { readonly seed: number; readonly minutes: number } {
  try {
    const options = { seed: { type: 'string' }, minutes: { type: 'string', default: '3' } } as const;
    const { values } = parseArgs({ options });
    const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
    const minutes = Number(values.minutes);
    if (Number.isSafeInteger(seed) && minutes > 0) return { seed, minutes };
  } catch {
    // An option that there is not.
  }
  console.error('usage: npm run chaos -- [--seed INTEGER] [--minutes NUMBER]');
  process.exit(2);
}
