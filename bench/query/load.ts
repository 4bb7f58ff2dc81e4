import { connect, type Socket } from 'node:net';

/** What the load client is asked: to keep `connections` busy with these requests for so long, one at a time on each. */
export interface LoadCommand {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodies: readonly string[];
  readonly connections: number;
  readonly forMs: number;
}

export interface LoadReport {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What every right answer holds; anything else ends the measurement. */
const expected = '"data":{"bulkTask":{"__typename":"BulkIssuanceTask"';

process.on('message', (command: LoadCommand) => {
  run(command).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});

async function run({ port, path, headers, bodies, connections, forMs }: LoadCommand): Promise<LoadReport> {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const requests = bodies.map((body) =>
    Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`),
  );
  const startMs = performance.now();
  const each = await Promise.all(
    Array.from({ length: connections }, (_, index) => keepBusy(port, requests, index, startMs + forMs)),
  );
  const tookMs = performance.now() - startMs;
  const sorted = each.flat().sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
  return { requestsPerSecond: (sorted.length / tookMs) * 1000, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Asks on one connection until the end, and resolves with how long each answer took. */
async function keepBusy(port: number, requests: readonly Buffer[], first: number, endMs: number): Promise<number[]> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const took: number[] = [];
  try {
    for (let next = first; performance.now() < endMs; next += 1) {
      const sentMs = performance.now();
      socket.write(requests[(next * 7_919) % requests.length] ?? '');
      await readAnswer(socket);
      took.push(performance.now() - sentMs);
    }
    return took;
  } finally {
    socket.destroy();
  }
}

/** Resolves when one whole answer has come, and rejects unless it is the expected one. */
function readAnswer(socket: Socket): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      socket.removeAllListeners();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.on('error', settle).on('close', () => settle(new Error('the server closed the connection')));
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!isWhole(text)) return;
      settle(text.startsWith('HTTP/1.1 200') && text.includes(expected) ? undefined : new Error(`got ${text}`));
    });
  });
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1];
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length >= headEnd + 4 + Number(length);
}
