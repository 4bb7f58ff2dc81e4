import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Commands } from './load.ts';

/** The load client's commands, one at a time, and its process. */
export interface Load extends Commands, AsyncDisposable {
  readonly pid: number;
}

/** Starts a load client as a process of its own. */
export function startLoad(): Load {
  const child = fork(fileURLToPath(new URL('load.ts', import.meta.url)));
  return {
    pid: child.pid ?? 0,
    sample: (command) => ask(child, 'sample', command),
    poll: (command) => ask(child, 'poll', command),
    hold: (command) => ask(child, 'hold', command),
    held: (command) => ask(child, 'held', command),
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function ask<Value>(child: ChildProcess, name: keyof Commands, argument: unknown): Promise<Value> {
  const answered = once(child, 'message');
  child.send({ name, argument });
  const [{ value, error }] = await answered;
  if (error !== undefined) throw new Error(`the load client: ${error}`);
  return value;
}
