import { randomBytes, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { encodeFrame, opcodes, readFrames } from './frames.ts';

/** One client of graphql-transport-ws with one subscription, on a bare socket: it reads no more of a push than its version. */
export interface Subscriber {
  readonly index: number;
  readonly socket: Socket;
  /** What came of a frame that is not whole yet. */
  rest: Buffer | undefined;
  /** Told by the message that is coming in, in one frame or several; 0 until it has told. */
  version: number;
  /** Of that message so far. */
  bytes: number;
}

export interface SubscribeOptions {
  readonly port: number;
  readonly connectionParams: object;
  readonly index: number;
  readonly document: string;
  readonly taskId: string;
  /** Called for every message that tells a version. Anything else but the handshake is an error. */
  readonly pushed: (subscriber: Subscriber, version: number, bytes: number) => void;
}

/** Resolves when the first snapshot has come. Rejects when the server answers anything else. */
export async function subscribe(options: SubscribeOptions): Promise<Subscriber> {
  const { promise, resolve, reject } = Promise.withResolvers<Subscriber>();
  const socket: Socket = connect({
    port: options.port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      // One for all: what is read is used up before the next read.
      buffer: received,
      callback: (length) => {
        try {
          receive(session, length);
        } catch (error) {
          fail(error);
        }
        return true;
      },
    },
  });
  const subscriber: Subscriber = { index: options.index, socket, rest: undefined, version: 0, bytes: 0 };
  const session: Session = { options, subscriber, isUpgraded: false, isAnswered: false, resolve };
  const fail = (error: unknown) => {
    if (session.isAnswered) throw error;
    socket.destroy();
    reject(error);
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error(`the server closed the connection of subscriber ${options.index}`)));
  socket.write(upgrade(options.port));
  return promise;
}

interface Session {
  readonly options: SubscribeOptions;
  readonly subscriber: Subscriber;
  isUpgraded: boolean;
  isAnswered: boolean;
  readonly resolve: (subscriber: Subscriber) => void;
}

const received = Buffer.alloc(65_536);
const versionKey = Buffer.from('"version":');
const digitZero = 48;

function upgrade(port: number): string {
  const key = randomBytes(16).toString('base64');
  return (
    `GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`
  );
}

function receive(session: Session, length: number): void {
  const { subscriber } = session;
  let bytes = received;
  let end = length;
  if (subscriber.rest !== undefined) {
    bytes = Buffer.concat([subscriber.rest, received.subarray(0, length)]);
    end = bytes.length;
    subscriber.rest = undefined;
  }
  const used = session.isUpgraded ? readFrames(session, bytes, end, takeFrame) : takeUpgrade(session, bytes, end);
  if (used < end) subscriber.rest = Buffer.from(bytes.subarray(used, end));
}

function takeUpgrade(session: Session, bytes: Buffer, end: number): number {
  const head = bytes.toString('latin1', 0, end);
  const headEnd = head.indexOf('\r\n\r\n');
  if (headEnd < 0) return 0;
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`no WebSocket: ${head.slice(0, 200)}`);
  session.isUpgraded = true;
  send(session.subscriber, { type: 'connection_init', payload: session.options.connectionParams });
  return headEnd + 4;
}

function takeFrame(
  session: Session,
  bytes: Buffer,
  { opcode, isLast, from, to }: { opcode: number; isLast: boolean; from: number; to: number },
): void {
  const { subscriber } = session;
  if (opcode === opcodes.ping) {
    subscriber.socket.write(encodeFrame(opcodes.pong, Buffer.from(bytes.subarray(from, to))));
    return;
  }
  if (opcode !== opcodes.text && opcode !== opcodes.continuation) {
    if (opcode === opcodes.close) throw new Error(`closed: ${bytes.toString('utf8', from + 2, to)}`);
    return;
  }
  if (subscriber.version === 0) subscriber.version = readVersion(bytes, from, to);
  subscriber.bytes += to - from;
  if (!isLast) return;
  const { version, bytes: length } = subscriber;
  subscriber.version = 0;
  subscriber.bytes = 0;
  if (version === 0) takeOther(session, bytes.toString('utf8', from, to));
  else if (session.isAnswered) session.options.pushed(subscriber, version, length);
  else {
    session.isAnswered = true;
    session.resolve(subscriber);
  }
}

/** 0 when these bytes tell none. */
function readVersion(bytes: Buffer, from: number, to: number): number {
  const found = bytes.indexOf(versionKey, from);
  if (found < 0 || found >= to) return 0;
  let version = 0;
  for (let at = found + versionKey.length; at < to; at += 1) {
    const digit = (bytes[at] ?? 0) - digitZero;
    if (digit < 0 || digit > 9) break;
    version = version * 10 + digit;
  }
  return version;
}

/** Answers the handshake. Anything else but a ping of the subprotocol has no place here. */
function takeOther({ subscriber, options }: Session, text: string): void {
  const { type } = JSON.parse(text);
  if (type === 'ping') {
    send(subscriber, { type: 'pong' });
  } else if (type === 'connection_ack') {
    const payload = { query: options.document, variables: { id: options.taskId } };
    send(subscriber, { id: randomUUID(), type: 'subscribe', payload });
  } else {
    throw new Error(`expected a push, got ${text}`);
  }
}

function send({ socket }: Subscriber, message: object): void {
  socket.write(encodeFrame(opcodes.text, Buffer.from(JSON.stringify(message))));
}
