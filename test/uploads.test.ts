import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createUploadReader, type UploadForm } from '../src/uploads.ts';
import { fieldPart, filePart, formEnd, multipartType, textOf } from './support/multipart.ts';
import { waitFor } from './support/wait.ts';

let server: Server;
let handle: (form: UploadForm) => Promise<unknown>;
const stallMs = 200;
const limits = { maxBytes: 1_000_000 };

beforeEach(async () => {
  const uploads = createUploadReader({ maxUploads: 2, stallMs });
  handle = readAll;
  server = createServer(async (incoming, response) => {
    try {
      using form = await uploads.read(incoming, limits);
      response.end(JSON.stringify(await handle(form)));
    } catch (error) {
      const { code, status = 500 } = error as { code?: string; status?: number };
      response.writeHead(status).end(JSON.stringify({ code, message: String(error) }));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  limits.maxBytes = 1_000_000;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('a form', () => {
  it('gives the fields, the file and the fields after it', async () => {
    const body = `${fieldPart('a', '1')}${filePart()}one,two\r\n${fieldPart('b', '2').slice(0, -2)}${formEnd}`;
    expect(await send(body)).toEqual([
      200,
      { first: '1', file: ['data', 'a.csv', 'one,two'], all: { a: '1', b: '2' } },
    ]);
  });

  it('takes a text field named file for a file without a name', async () => {
    const body = `${fieldPart('file', 'text').slice(0, -2)}${formEnd}`;
    expect(await send(body)).toEqual([200, { file: ['file', null, 'text'], all: {} }]);
  });

  it('may hold no file', async () => {
    const body = `${fieldPart('a', '1').slice(0, -2)}${formEnd}`;
    expect(await send(body)).toEqual([200, { first: '1', file: null, all: { a: '1' } }]);
  });

  it('of two files is an error of the first one, not its end', async () => {
    const body = `${filePart('a')}one\r\n${filePart('b')}two${formEnd}`;
    expect(await send(body)).toMatchObject([
      400,
      { code: 'BAD_USER_INPUT', message: expect.stringContaining('one file') },
    ]);
  });

  it.each([
    ['has no closing boundary', `${filePart()}one,two`],
    ['ends within a header', '--xxx\r\ncontent-dispo'],
    ['holds no part', 'nonsense'],
    ['is empty', ''],
  ])('that %s is an error', async (_name, body) => {
    expect(await send(body)).toMatchObject([
      400,
      { code: 'BAD_USER_INPUT', message: expect.stringContaining('boundary') },
    ]);
  });

  it('of another media type, or without a boundary, is an error', async () => {
    expect(await send('{}', 'application/json')).toMatchObject([415, { code: 'UNSUPPORTED_MEDIA_TYPE' }]);
    expect(await send('x', 'multipart/form-data')).toMatchObject([400, { code: 'BAD_USER_INPUT' }]);
  });

  it('of a field that is too long, or of too many fields, is an error', async () => {
    limits.maxBytes = 10_000_000;
    const long = `${fieldPart('a', 'x'.repeat(1_048_577)).slice(0, -2)}${formEnd}`;
    expect(await send(long)).toMatchObject([413, { code: 'PAYLOAD_TOO_LARGE' }]);
    const many =
      Array.from({ length: 21 }, (_, index) => fieldPart(`a${index}`, ''))
        .join('')
        .slice(0, -2) + formEnd;
    expect(await send(many)).toMatchObject([
      400,
      { code: 'BAD_USER_INPUT', message: expect.stringContaining('fields') },
    ]);
  });

  it('whose file is not read does not hold up the answer or the next request', async () => {
    handle = async () => 'unread';
    const body = `${filePart()}${'x'.repeat(900_000)}${formEnd}`;
    for (let round = 0; round < 2; round += 1) expect(await send(body)).toEqual([200, 'unread']);
  });

  it('that broke off before anybody read its file tells so when somebody does', async () => {
    handle = async ({ file, allFields }) => {
      await expect(allFields()).rejects.toThrow();
      return file && (await textOf(file.stream));
    };
    expect(await send(`${filePart()}one,two`)).toMatchObject([400, { code: 'BAD_USER_INPUT' }]);
  });
});

describe('a file', () => {
  it('of exactly the limit is taken, one byte more is not', async () => {
    const body = (bytes: number) => `${filePart()}${'x'.repeat(bytes)}${formEnd}`;
    expect(await send(body(1_000_000))).toMatchObject([200, { file: ['data', 'a.csv', 'x'.repeat(1_000_000)] }]);
    expect(await send(body(1_000_001))).toMatchObject([413, { code: 'PAYLOAD_TOO_LARGE' }]);
  });

  it('that announces more than the limit is refused before it is read', async () => {
    const socket = begin(99999999);
    expect(await answerOf(socket)).toContain('PAYLOAD_TOO_LARGE');
  });

  it('is never in memory as a whole', async () => {
    limits.maxBytes = 1_000_000_000;
    const bytes = 400_000_000;
    let most = 0;
    handle = async ({ file }) => {
      let read = 0;
      for await (const chunk of file?.stream ?? []) {
        read += chunk.length;
        most = Math.max(most, process.memoryUsage().rss);
      }
      return read;
    };
    const before = process.memoryUsage().rss;
    expect(await sendLarge(bytes)).toEqual([200, bytes]);
    expect(most - before).toBeLessThan(100_000_000);
  });

  it('is taken no faster than it is read', async () => {
    limits.maxBytes = 1_000_000_000;
    const gate = Promise.withResolvers<void>();
    handle = async ({ file }) => {
      await gate.promise;
      let read = 0;
      for await (const chunk of file?.stream ?? []) read += chunk.length;
      return read;
    };
    let sent = 0;
    let sentMs = Number.POSITIVE_INFINITY;
    const answer = sendLarge(100_000_000, (count) => {
      sent = count;
      sentMs = performance.now();
    });
    // That is no stall of the sender's.
    await waitFor(() => performance.now() - sentMs > 2 * stallMs, { message: 'the sender is held up' });
    expect(sent).toBeLessThan(20_000_000);
    gate.resolve();
    expect(await answer).toEqual([200, 100_000_000]);
  });

  it('that stalls ends with REQUEST_TIMEOUT', async () => {
    const socket = begin(1000, `${filePart()}one`);
    expect(await answerOf(socket)).toMatch(/^HTTP\/1.1 408 [\s\S]*REQUEST_TIMEOUT/);
  });

  it('whose sender is gone ends with an error', async () => {
    const begun = Promise.withResolvers<void>();
    const failed = Promise.withResolvers<unknown>();
    handle = async ({ file, allFields }) => {
      begun.resolve();
      const all = allFields().catch((error: unknown) => error);
      const text = await textOf(file?.stream ?? []).catch((error: unknown) => error);
      failed.resolve([text, await all]);
    };
    const socket = begin(1000, `${filePart()}one`);
    await begun.promise;
    socket.destroy();
    expect(await failed.promise).toMatchObject([{ code: 'BAD_USER_INPUT' }, { code: 'BAD_USER_INPUT' }]);
  });
});

describe('places', () => {
  const body = `${filePart()}one${formEnd}`;

  it('are limited, and free again once a form is done with, however it ended', async () => {
    const held = Array.from({ length: 2 }, () => begin(1000, `${filePart()}one`));
    await waitFor(async () => (await send(body))[0] === 503, { message: 'both places are taken' });
    expect(await send(body)).toMatchObject([503, { code: 'TOO_MANY_UPLOADS' }]);
    for (const socket of held) socket.destroy();
    await waitFor(async () => (await send(body))[0] === 200, { message: 'a place is free' });
    for (let round = 0; round < 5; round += 1) {
      await send(`${filePart()}one`);
      await send('x', 'multipart/form-data');
      await send('{}', 'application/json');
    }
    expect((await send(body))[0]).toBe(200);
  });
});

async function readAll({ fields, file, allFields }: UploadForm): Promise<unknown> {
  const first = fields.get('a');
  const content = file && [file.field, file.filename, await textOf(file.stream)];
  return { first, file: content, all: Object.fromEntries(await allFields()) };
}

function port(): number {
  return (server.address() as AddressInfo).port;
}

async function send(body: string, contentType = multipartType): Promise<[number, unknown]> {
  const headers = { 'content-type': contentType };
  const response = await fetch(`http://127.0.0.1:${port()}/`, { method: 'POST', headers, body });
  return [response.status, await response.json()];
}

async function sendLarge(bytes: number, onSent: (bytes: number) => void = () => undefined): Promise<[number, unknown]> {
  const outgoing = request({
    host: '127.0.0.1',
    port: port(),
    method: 'POST',
    headers: { 'content-type': multipartType },
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const chunk = Buffer.alloc(100_000, 'x');
  outgoing.write(filePart());
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    if (!outgoing.write(chunk)) await once(outgoing, 'drain');
    onSent(sent + chunk.length);
  }
  outgoing.end(formEnd);
  const [response] = await answered;
  return [response.statusCode ?? 0, JSON.parse(await textOf(response))];
}

/** Begins a request of so many bytes, and sends only these. */
function begin(length: number, body = ''): Socket {
  const socket = connect(port(), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  const head = `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: ${multipartType}\r\ncontent-length: ${length}`;
  socket.write(`${head}\r\n\r\n${body}`);
  return socket;
}

async function answerOf(socket: Socket): Promise<string> {
  const [data] = await once(socket, 'data');
  return String(data);
}
