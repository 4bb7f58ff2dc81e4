/** `npm run bench -- NAME`: runs bench/NAME.ts; the last line on stdout is one JSON object with `bench` and `ratio`. */
const benches = {
  issue: () => import('./issue.ts'),
  large: () => import('./large.ts'),
  import: () => import('./import.ts'),
  fanout: () => import('./fanout.ts'),
  poll: () => import('./poll.ts'),
  query: () => import('./query.ts'),
  reads: () => import('./reads.ts'),
} as const;

const [name = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(benches, name)) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(benches).join('|')}\n`);
  process.exit(2);
}
// What was started ends with this process, but only when it exits by itself.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
const { run } = await benches[name as keyof typeof benches]();
const figures = await run(args);
process.stdout.write(`${JSON.stringify({ bench: name, ...figures })}\n`);
