import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The load client, a process of its own: polls over keep-alive connections, on each one request after the other. */

export interface PollCommand {
  readonly port: number;
  readonly paths: readonly string[];
  readonly headers: readonly string[];
  readonly connections: number;
  readonly ms: number;
  readonly status: number;
}

export interface Polled {
  readonly answers: number;
  readonly ms: number;
  /** Answers with another status, or with an older version than one before of the same task on the same connection. */
  readonly wrong: number;
  readonly older: number;
}

export interface HoldCommand extends Pick<PollCommand, 'port' | 'headers'> {
  readonly path: string;
  readonly connections: number;
}

export interface Commands {
  /** The text of one answer. */
  sample(command: Pick<PollCommand, 'port' | 'headers'> & { readonly path: string }): Promise<string>;
  poll(command: PollCommand): Promise<Polled>;
  /** Sends so many requests that will be held. */
  hold(command: HoldCommand): Promise<void>;
  /** When the last of those held was answered, by the machine's clock, and how many were. */
  held(command: { readonly waitMs: number }): Promise<{ readonly answered: number; readonly lastMs: number }>;
}

const openAtOnce = 100;
let waiting: { readonly sockets: Socket[]; answered: number; lastMs: number } = { sockets: [], answered: 0, lastMs: 0 };

const commands: Commands = {
  async sample({ port, path, headers }) {
    const socket = await open(port);
    socket.write(requestOf(path, headers));
    const [bytes] = await once(socket, 'data');
    socket.destroy();
    return String(bytes);
  },
  async poll(command) {
    const { port, connections, ms } = command;
    const sockets = await openAll(port, connections);
    const requests = command.paths.map((path) => requestOf(path, command.headers));
    const count = { answers: 0, wrong: 0, older: 0 };
    const startedMs = performance.now();
    for (const [at, socket] of sockets.entries()) pollOn(socket, { requests, at, count, ...command });
    await delay(ms);
    const result = { ...count, ms: performance.now() - startedMs };
    for (const socket of sockets) socket.destroy();
    return result;
  },
  async hold({ port, path, headers, connections }) {
    const sockets = await openAll(port, connections);
    const state = { sockets, answered: 0, lastMs: 0 };
    waiting = state;
    const request = requestOf(path, headers);
    for (const socket of sockets) {
      socket.once('data', (bytes) => {
        if (!bytes.toString('latin1', 0, 12).endsWith(' 200')) return;
        state.answered += 1;
        state.lastMs = Date.now();
      });
      socket.write(request);
    }
  },
  async held({ waitMs }) {
    const deadlineMs = performance.now() + waitMs;
    while (waiting.answered < waiting.sockets.length && performance.now() < deadlineMs) await delay(5);
    for (const socket of waiting.sockets) socket.destroy();
    const { answered, lastMs } = waiting;
    return { answered, lastMs };
  },
};

interface Poller extends Pick<PollCommand, 'status'> {
  readonly requests: readonly Buffer[];
  readonly at: number;
  readonly count: { answers: number; wrong: number; older: number };
}

function pollOn(socket: Socket, { requests, at, status, count }: Poller): void {
  const newest = new Map<number, number>();
  let index = (at * 1_009) % requests.length;
  let rest: Buffer | undefined;
  const ask = () => {
    index = (index + 1) % requests.length;
    socket.write(requests[index] ?? '');
  };
  socket.on('data', (bytes: Buffer) => {
    const all = rest === undefined ? bytes : Buffer.concat([rest, bytes]);
    const end = all.indexOf('\r\n\r\n');
    const head = all.toString('latin1', 0, Math.max(end, 0));
    const length = end < 0 || status === 304 ? 0 : Number(fieldOf(head, 'content-length: '));
    rest = end < 0 || all.length < end + 4 + length ? all : undefined;
    if (rest !== undefined) return;
    const version = Number(fieldOf(head, 'etag: "').slice(0, -1));
    count.answers += 1;
    if (head.slice(9, 12) !== String(status)) count.wrong += 1;
    if (version < (newest.get(index) ?? 0)) count.older += 1;
    newest.set(index, version);
    ask();
  });
  ask();
}

function fieldOf(head: string, name: string): string {
  const start = head.indexOf(name);
  if (start < 0) return '';
  const end = head.indexOf('\r\n', start);
  return head.slice(start + name.length, end < 0 ? undefined : end);
}

function requestOf(path: string, headers: readonly string[]): Buffer {
  return Buffer.from([`GET ${path} HTTP/1.1`, 'Host: bench', ...headers, '', ''].join('\r\n'));
}

async function openAll(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const more = Math.min(openAtOnce, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: more }, () => open(port)))));
  }
  return sockets;
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return socket;
}

process.on('message', ({ name, argument }: { readonly name: keyof Commands; readonly argument: never }) => {
  commands[name](argument).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
