// Run with a data directory: starts its embedded Postgres, prints one JSON line {url, home}, and stops it on SIGTERM or on
// Ctrl-C. With "ignore-interrupt" it only prints "interrupted" on Ctrl-C.
import { startEmbeddedPostgres } from '../../src/db/embedded.ts';

const [dataDir, mode] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('expected a data directory');
const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
process.on('SIGTERM', () => stop());
process.on('SIGINT', () => (mode === 'ignore-interrupt' ? console.log('interrupted') : stop()));
const postgres = await startEmbeddedPostgres({ dataDir, log: () => undefined });
console.log(JSON.stringify({ url: postgres.url, home: postgres.home }));
const keepAlive = setInterval(() => undefined, 60_000);
await stopped;
clearInterval(keepAlive);
await postgres.stop();
