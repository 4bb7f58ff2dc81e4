import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A load client in a process of its own. */
export interface LoadProcess extends AsyncDisposable {
  readonly pid: number;
  /** Gives it a command, one at a time. Rejects with what it says is wrong, and when it ends. */
  ask<Value>(name: string, argument: unknown): Promise<Value>;
}

export function startLoadProcess(file: string): LoadProcess {
  const child = fork(file);
  return {
    pid: child.pid ?? 0,
    ask: (name, argument) => ask(child, name, argument),
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function ask<Value>(child: ChildProcess, name: string, argument: unknown): Promise<Value> {
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
