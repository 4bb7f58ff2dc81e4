#!/usr/bin/env node
import { readConfig, readMigrationConfig, readOperatorConfig } from './config.ts';
import { createLog } from './log.ts';
import { describeSecrets, type OperatorCommand, operatorCommands, runOperatorCommand } from './operator.ts';
import type { Service } from './serve.ts';

const usage = `bulkcast: bulk jobs of the gift-card and voucher trade, with live progress

  bulkcast serve            play the role of BULKCAST_ROLE until SIGTERM or Ctrl-C (npm start)
  bulkcast demo [--exit]    issue 100,000 cards and import a voucher file, then keep serving (npm run demo)
  bulkcast migrate          bring the database of DATABASE_URL to this release (npm run migrate)
  bulkcast schema [--check] print the contracts into schema/, or only check that they are up to date (npm run schema)

  On DATABASE_URL, or while bulkcast runs on the embedded default:

${Object.entries(operatorCommands).map(describeOperatorCommand).join('\n')}
`;

function describeOperatorCommand([name, { argument, meaning }]: [string, OperatorCommand]): string {
  return `  ${`bulkcast ${name} ${argument ?? ''}`.padEnd(36)}${meaning}`;
}

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  serve: runServe,
  migrate: runMigrate,
  async demo(args) {
    const { demo } = await import('./demo/demo.ts');
    const config = readConfig({ defaults: { BULKCAST_LOG: 'warn' } });
    const service = await demo(config, createLog(config.BULKCAST_LOG), { thenServes: !args.includes('--exit') });
    if (args.includes('--exit')) await service.stop();
    else stopOnSignal(service);
  },
  async schema(args) {
    const { writeContracts } = await import('./contracts.ts');
    const stale = await writeContracts({ check: args.includes('--check') });
    if (stale.length > 0) throw new Error(`out of date: ${stale.join(', ')}; run \`npm run schema\` and commit`);
  },
};

async function runServe(): Promise<void> {
  const { serve } = await import('./serve.ts');
  const config = readConfig();
  const service = await serve(config, createLog(config.BULKCAST_LOG));
  if (service.hasNewCredentials && service.credentials !== undefined) {
    const where = `also in ${config.BULKCAST_DATA_DIR}/secrets.json`;
    const lines = [`The first project, shown this once (${where}):`, ...describeSecrets(service.credentials)];
    process.stderr.write(`\n${lines.join('\n')}\n\n`);
  }
  stopOnSignal(service);
}

async function runMigrate(): Promise<void> {
  const { install } = await import('./install.ts');
  const { DATABASE_URL, BULKCAST_LOG } = readMigrationConfig();
  await install(DATABASE_URL, createLog(BULKCAST_LOG));
}

/** What a stop may take before it is cut off; an orchestrator kills after ten seconds or more. */
const stopLimitMs = 9_500;

/** Exit code 0 after a clean stop; a second signal does not wait for it. */
function stopOnSignal(service: Service): void {
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    isStopping = true;
    setTimeout(() => fail(new Error(`the stop took longer than ${stopLimitMs} ms`)), stopLimitMs).unref();
    service.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** What keeps a process from starting is told in words, its causes after it; a bug with where it came from. */
function fail(error: unknown): never {
  if (isBug(error)) console.error(error);
  else process.stderr.write(`${describe(error)}\n`);
  process.exit(1);
}

function isBug(error: unknown): boolean {
  return !(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError;
}

function describe(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(describe).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

/** What the words of the command line ask for; undefined when they ask for nothing that there is. */
function findCommand([name = '', ...args]: readonly string[]): (() => Promise<void>) | undefined {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command !== undefined) return () => command(args);
  const [verb = '', argument = '', ...more] = args;
  const words = `${name} ${verb}`;
  const operator = Object.hasOwn(operatorCommands, words) ? operatorCommands[words] : undefined;
  if (operator === undefined || more.length > 0 || (operator.argument === null) !== (argument === '')) return undefined;
  return async () => {
    const lines = await runOperatorCommand(operator, argument, readOperatorConfig());
    process.stdout.write(`${lines.join('\n')}\n`);
  };
}

const [name = '', ...args] = process.argv.slice(2);
const command = findCommand([name, ...args]);
if (command === undefined) {
  process.stderr.write(usage);
  process.exit(name === '' || name === 'help' || name === '--help' ? 0 : 2);
}
try {
  await command();
} catch (error) {
  fail(error);
}
