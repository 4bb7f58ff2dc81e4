import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { findFreePort } from '../../src/db/embedded-server.ts';

export interface BenchRedis extends AsyncDisposable {
  readonly url: string;
}

/** A real redis-server on a free port of 127.0.0.1 that keeps nothing on disk. */
export async function startBenchRedis(): Promise<BenchRedis> {
  const port = await findFreePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  await once(child, 'spawn').catch((cause) => {
    throw new Error('redis-server does not run: install it (Debian: apt-get install redis-server)', { cause });
  });
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  await waitUntilReady(child, port);
  return {
    url: `redis://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (!hasExited(child)) await once(child, 'exit');
    },
  };
}

const readyMs = 10_000;

async function waitUntilReady(child: ChildProcess, port: number): Promise<void> {
  const deadlineMs = performance.now() + readyMs;
  while (!(await accepts(port))) {
    if (hasExited(child)) throw new Error(`redis-server ended with code ${child.exitCode}`);
    if (performance.now() > deadlineMs) throw new Error(`redis-server does not listen on port ${port}`);
    await delay(20);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
