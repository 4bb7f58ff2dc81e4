import { fileURLToPath } from 'node:url';
import { startLoadProcess } from '../support/load-client.ts';
import type { Commands } from './load.ts';

/** The load client's commands, one at a time, and its process. All reject when the process ends. */
export interface Load extends Commands, AsyncDisposable {
  readonly pid: number;
}

/** Starts a load client as a process of its own. */
export function startLoad(): Load {
  const load = startLoadProcess(fileURLToPath(new URL('load.ts', import.meta.url)));
  return {
    pid: load.pid,
    sample: (argument) => load.ask('sample', argument),
    poll: (argument) => load.ask('poll', argument),
    hold: (argument) => load.ask('hold', argument),
    held: (argument) => load.ask('held', argument),
    [Symbol.asyncDispose]: () => load[Symbol.asyncDispose](),
  };
}
