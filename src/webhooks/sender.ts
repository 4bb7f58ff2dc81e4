import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Address, AddressRefused, type Networks, resolveAllowed } from './addresses.ts';

/** Why an attempt failed. */
export type AttemptError =
  | 'ADDRESS_REFUSED'
  | 'NAME_UNKNOWN'
  | 'UNREACHABLE'
  | 'TLS'
  | 'TIMEOUT'
  | 'REDIRECT'
  | 'GONE'
  | 'STATUS'
  | 'SECRET_UNREADABLE';

/** How an attempt went. */
export interface Outcome {
  /** Null when the receiver took it. */
  readonly error: AttemptError | null;
  /** Null when no answer came. */
  readonly status: number | null;
  readonly durationMs: number;
  /** Its beginning. */
  readonly answer: string | null;
  /** What `Retry-After` asked for. */
  readonly retryAfterSeconds: number | null;
}

export interface SendOptions {
  readonly networks: Networks;
  readonly timeoutMs: number;
  /** Throws its reason when it is aborted: then nothing is known of the attempt. */
  readonly signal?: AbortSignal | undefined;
}

export interface Message {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** More of an answer is not read. */
const maxAnswerBytes = 65_536;
const keptAnswerBytes = 1_000;

/** Posts a message to an address that was checked, over a connection of its own, and follows no redirect. Never throws for what the
 *  receiver does. */
export async function send(message: Message, options: SendOptions): Promise<Outcome> {
  const startedMs = performance.now();
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const outcome = await attempt(message, options.networks, signal).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    return { ...noAnswer, error: timeout.aborted ? ('TIMEOUT' as const) : classify(error) };
  });
  return { ...outcome, durationMs: Math.round(performance.now() - startedMs) };
}

/** The receiver answered 101. */
class ProtocolSwitched extends Error {}

const noAnswer = { status: null, answer: null, retryAfterSeconds: null };

async function attempt(
  message: Message,
  networks: Networks,
  signal: AbortSignal,
): Promise<Omit<Outcome, 'durationMs'>> {
  const url = new URL(message.url);
  const addresses = await unlessAborted(resolveAllowed(url.hostname, networks), signal);
  if (url.protocol !== 'https:' && !addresses.every(({ isInternal }) => isInternal)) {
    throw new AddressRefused('plain HTTP is for internal networks that are allowed');
  }
  const response = await unlessAborted(post(url, message, { addresses, signal }), signal);
  const status = response.statusCode ?? 0;
  const answer = await readBeginning(response);
  return { error: errorOf(status), status, answer, retryAfterSeconds: readRetryAfter(response.headers['retry-after']) };
}

function post(
  url: URL,
  { headers, body }: Message,
  { addresses, signal }: { readonly addresses: readonly Address[]; readonly signal: AbortSignal },
): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    agent: false,
    lookup: pinned(addresses),
    signal,
  };
  return new Promise((resolve, reject) => {
    const switched = (_response: IncomingMessage, socket: Duplex) => {
      socket.destroy();
      reject(new ProtocolSwitched());
    };
    request(url, options, resolve).once('error', reject).once('upgrade', switched).end(body);
  });
}

/** Whatever the name has come to mean since, only what was checked is connected to. */
function pinned(addresses: readonly Address[]): LookupFunction {
  return (_hostname, { all }, callback) => {
    const [first] = addresses;
    if (all || first === undefined) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

/** What breaks off after the status came changes nothing. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= maxAnswerBytes) break;
    }
  } catch {
    // Too slow, or cut: the status says what became of the message.
  }
  return Buffer.concat(chunks).subarray(0, keptAnswerBytes).toString('utf8').replaceAll('\0', '\uFFFD');
}

function errorOf(status: number): AttemptError | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return 'REDIRECT';
  return status === 410 ? 'GONE' : 'STATUS';
}

function readRetryAfter(value: string | undefined): number | null {
  if (value === undefined) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : null;
}

function classify(error: unknown): AttemptError {
  if (error instanceof AddressRefused) return 'ADDRESS_REFUSED';
  if (error instanceof ProtocolSwitched) return 'STATUS';
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^(ENOTFOUND|ENODATA|EAI_)/.test(code)) return 'NAME_UNKNOWN';
  return /TLS|SSL|CERT|SIGNATURE|SELF_SIGNED/.test(code) ? 'TLS' : 'UNREACHABLE';
}

/** Not everything that is waited for can be called off, a resolver cannot. */
async function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
