import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Commands } from './load.ts';

/** The load client's commands, one at a time, and its process. All reject when the process ends. */
export interface Load extends Commands, AsyncDisposable {
  readonly pid: number;
}

/** Starts a load client as a process of its own. */
export function startLoad(): Load {
  const child = fork(fileURLToPath(new URL('load.ts', import.meta.url)));
  return {
    pid: child.pid ?? 0,
    subscribe: (command) => ask(child, 'subscribe', command),
    begin: (deliveries) => ask(child, 'begin', deliveries),
    received: (wanted) => ask(child, 'received', wanted),
    report: (commits) => ask(child, 'report', commits),
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function ask<Value>(child: ChildProcess, name: keyof Commands, argument: unknown): Promise<Value> {
  const over = new AbortController();
  const ended = once(child, 'exit', over).then(([code]) => {
    throw new Error(`the load client ended with code ${code} while it was asked to ${name}`);
  });
  const answered = once(child, 'message', over);
  child.send({ name, argument });
  try {
    const [response] = await Promise.race([answered, ended]);
    return unwrap(response);
  } finally {
    ended.catch(() => undefined);
    answered.catch(() => undefined);
    over.abort();
  }
}

function unwrap<Value>({ value, error }: { readonly value: Value; readonly error?: string }): Value {
  if (error !== undefined) throw new Error(`the load client: ${error}`);
  return value;
}
