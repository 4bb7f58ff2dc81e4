/** `npm run bench -- NAME`: runs bench/NAME.ts; the last line on stdout is one JSON object with `bench` and `ratio`. */
const benches = { issue: () => import('./issue.ts'), import: () => import('./import.ts') } as const;

const [name = ''] = process.argv.slice(2);
if (!Object.hasOwn(benches, name)) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(benches).join('|')}\n`);
  process.exit(2);
}
const { run } = await benches[name as keyof typeof benches]();
const figures = await run();
process.stdout.write(`${JSON.stringify({ bench: name, ...figures })}\n`);
