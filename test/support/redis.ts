import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { atEndOfFile } from './at-end.ts';
import { findServerPort } from './ports.ts';
import { waitFor } from './wait.ts';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Ends it in an orderly way; may be called twice. Start it again with the same port. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

/** A real redis-server on 127.0.0.1 that keeps no data on disk, on this port or a free one; ends with the test file. */
export async function startRedis(
  options: { readonly port?: number; readonly settings?: readonly string[] } = {},
): Promise<RedisServer> {
  const { settings = [] } = options;
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await findServerPort());
    const child = await spawnRedis(port, settings);
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.off('exit', end));
    if (await answers(child, port)) return runningRedis(child, port);
    if (attempt === 3) throw new Error(`redis-server does not start on port ${port}`);
  }
}

async function spawnRedis(port: number, settings: readonly string[]): Promise<ChildProcess> {
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    tmpdir(),
    ...settings,
  ];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new Error(
      'redis-server does not run: install it (Debian: apt-get install redis-server, macOS: brew install redis)',
      {
        cause: error,
      },
    );
  }
  return child;
}

async function answers(child: ChildProcess, port: number): Promise<boolean> {
  await waitFor(async () => hasExited(child) || (await pongs(port)), {
    message: `redis-server answers on port ${port}`,
  });
  return !hasExited(child);
}

async function pongs(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(1_000) });
    return String(answer).startsWith('+PONG');
  } finally {
    socket.destroy();
  }
}

function runningRedis(child: ChildProcess, port: number): RedisServer {
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal);
    child.kill('SIGCONT');
    await waitFor(() => hasExited(child), { message: `redis-server (pid ${child.pid}) ends after ${signal}` });
  };
  atEndOfFile(() => end('SIGKILL'));
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => {
      child.kill('SIGSTOP');
    },
    resume: () => {
      child.kill('SIGCONT');
    },
  };
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
