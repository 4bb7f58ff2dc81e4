import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { atEndOfFile } from './at-end.ts';
import { waitFor } from './wait.ts';

export interface LogLine {
  readonly event?: string;
  readonly [field: string]: unknown;
}

export interface ServeProcess {
  /** Where the gateway answers, without a slash at the end; empty for a worker. */
  readonly url: string;
  readonly pid: number;
  /** What it has logged so far. */
  readonly logs: readonly LogLine[];
  /** Waits (10 s) for a log line, also one that is already there. */
  waitForLog(event: string, matches?: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>;
  /** Asks it to stop and returns its exit code, null when a signal ended it. Throws after 20 s. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
  /** Ends it at once with SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  readonly logs: LogLine[];
  readonly output: string[];
  /** It has ended, and all it printed is read. */
  isOver: boolean;
}

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/**
 * Starts `bulkcast serve` as its own process and waits until it can serve (`/readyz`, or `worker.started` of a worker). It
 * sees this environment and no other, on a free port of 127.0.0.1. A test file has to end every process it starts.
 */
export async function startServe(env: Record<string, string>): Promise<ServeProcess> {
  if (env.DATABASE_URL === undefined && env.BULKCAST_DATA_DIR === undefined) {
    throw new Error('give the process a DATABASE_URL, or a BULKCAST_DATA_DIR of its own');
  }
  const running = spawnServe(env);
  await once(running.child, 'spawn');
  atEndOfFile((file) => endLeftProcess(running, file.hasFailed));
  const url = env.BULKCAST_ROLE === 'worker' ? '' : await findUrl(running);
  if (url === '') await findLog(running, 'worker.started', undefined, startTimeoutMs);
  else await waitUntilReady(running, url);
  return {
    url,
    pid: running.child.pid ?? 0,
    logs: running.logs,
    waitForLog: (event, matches, timeoutMs) => findLog(running, event, matches, timeoutMs),
    stop: (signal = 'SIGTERM') => end(running, signal),
    kill: async () => {
      await end(running, 'SIGKILL');
    },
  };
}

const startTimeoutMs = 60_000;

function spawnServe(env: Record<string, string>): Running {
  const child = spawn(process.execPath, [main, 'serve'], {
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const killWithTests = () => child.kill('SIGKILL');
  process.once('exit', killWithTests);
  child.once('exit', () => process.off('exit', killWithTests));
  const running: Running = { child, logs: [], output: [], isOver: false };
  child.once('close', () => {
    running.isOver = true;
  });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      running.output.push(line);
      const parsed = parseLog(line);
      if (parsed !== undefined) running.logs.push(parsed);
    });
  }
  return running;
}

function parseLog(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function findUrl(running: Running): Promise<string> {
  const line = await findLog(running, 'gateway.listening', undefined, startTimeoutMs);
  return String(line.url).replace(/\/+$/, '');
}

async function waitUntilReady(running: Running, url: string): Promise<void> {
  const isReady = async () => {
    if (running.isOver) return true;
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  };
  await waitFor(isReady, { timeoutMs: startTimeoutMs, message: () => `${url}/readyz is 200\n${lastOutput(running)}` });
  if (running.isOver) throw endedEarly(running, 'was ready');
}

async function findLog(
  running: Running,
  event: string,
  matches: (line: LogLine) => boolean = () => true,
  timeoutMs = 10_000,
): Promise<LogLine> {
  const find = () => running.logs.find((line) => line.event === event && matches(line));
  const message = () => `it logs "${event}"\n${lastOutput(running)}`;
  await waitFor(() => find() !== undefined || running.isOver, { timeoutMs, message });
  const found = find();
  if (found === undefined) throw endedEarly(running, `logged "${event}"`);
  return found;
}

async function end(running: Running, signal: NodeJS.Signals): Promise<number | null> {
  const { child } = running;
  child.kill(signal);
  try {
    const message = () => `bulkcast serve (pid ${child.pid}) ends after ${signal}\n${lastOutput(running)}`;
    await waitFor(() => running.isOver, { timeoutMs: 20_000, message });
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return child.exitCode;
}

async function endLeftProcess(running: Running, hasFailed: boolean): Promise<void> {
  if (running.isOver) return;
  await end(running, 'SIGKILL');
  if (!hasFailed)
    throw new Error(`a bulkcast serve (pid ${running.child.pid}) still ran when the test file was through`);
}

function endedEarly(running: Running, before: string): Error {
  const { exitCode, signalCode } = running.child;
  return new Error(`bulkcast serve ended (${exitCode ?? signalCode}) before it ${before}\n${lastOutput(running)}`);
}

function lastOutput({ output }: Running): string {
  return output.slice(-40).join('\n');
}
