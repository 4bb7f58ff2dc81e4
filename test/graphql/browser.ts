import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { waitFor } from '../support/wait.ts';

export interface Page {
  /** The value of a JavaScript expression in the page, awaited. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** Waits until the expression is true in the page. */
  waitUntil(expression: string, message: string): Promise<void>;
  /** Puts the focus into what the selector finds and replaces all text there, as a person does. */
  write(selector: string, text: string): Promise<void>;
  /** Where the page's requests went so far. */
  readonly requested: readonly string[];
  /** What the console was told as an error or warning so far: exceptions, failed loads and violations of the page's policy too. */
  readonly problems: readonly string[];
  /** Gives the page a screen of this many CSS pixels. */
  resize(width: number, height: number): Promise<void>;
}

export interface Browser {
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly request?: { readonly url: string };
    readonly entry?: { readonly level: string; readonly text: string };
    readonly type?: string;
    readonly exceptionDetails?: unknown;
  };
  readonly result?: unknown;
  readonly error?: unknown;
}

const programs = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** A headless Chromium that can reach this machine and nothing else, driven by its DevTools protocol. */
export async function startBrowser(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'bulkcast-browser-'));
  const child = await spawnChromium([
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--no-first-run',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
    'about:blank',
  ]);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const port = await waitFor(async () => (await readFile(join(profile, 'DevToolsActivePort'), 'utf8')).split('\n')[0], {
    message: 'Chromium listens',
    timeoutMs: 20_000,
  });
  return {
    open: async (url) => openPage(`http://127.0.0.1:${port}/json/new?about:blank`, url),
    close: async () => {
      const ended = once(child, 'exit');
      kill();
      await ended;
      process.off('exit', kill);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function spawnChromium(args: readonly string[]): Promise<ChildProcess> {
  const names = process.env.CHROMIUM_PATH ? [process.env.CHROMIUM_PATH] : programs;
  for (const name of names) {
    const child = spawn(name, args, { stdio: 'ignore' });
    const [problem] = await Promise.race([once(child, 'spawn'), once(child, 'error')]).catch((error: unknown) => [
      error,
    ]);
    if (problem === undefined) return child;
  }
  throw new Error('no Chromium runs: install it (Debian: apt-get install chromium), or set CHROMIUM_PATH');
}

async function openPage(newTarget: string, url: string): Promise<Page> {
  const target = (await (await fetch(newTarget, { method: 'PUT' })).json()) as { webSocketDebuggerUrl: string };
  const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false });
  await once(socket, 'open');
  const requested: string[] = [];
  const problems: string[] = [];
  const send = createSender(socket, ({ method, params }) => {
    if (method === 'Network.requestWillBeSent' && params?.request) requested.push(params.request.url);
    const { entry, type, exceptionDetails } = params ?? {};
    if (entry?.level === 'error' || entry?.level === 'warning') problems.push(entry.text);
    if (type === 'error' || exceptionDetails !== undefined) problems.push(JSON.stringify(params));
  });
  for (const domain of ['Network', 'Runtime', 'Log']) await send(`${domain}.enable`);
  await send('Page.enable');
  await send('Page.navigate', { url });
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    const { result, exceptionDetails } = answer as { result: { value: Value }; exceptionDetails?: unknown };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  };
  return {
    evaluate,
    waitUntil: async (expression, message) => {
      await waitFor(() => evaluate(`Boolean(${expression})`), { message, timeoutMs: 20_000 });
    },
    write: async (selector, text) => {
      await evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
      const selectAll = { key: 'a', code: 'KeyA', windowsVirtualKeyCode: 65, modifiers: 2, commands: ['selectAll'] };
      await send('Input.dispatchKeyEvent', { type: 'keyDown', ...selectAll });
      await send('Input.dispatchKeyEvent', { type: 'keyUp', ...selectAll });
      await send('Input.insertText', { text });
    },
    requested,
    problems,
    resize: async (width, height) => {
      await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    },
  };
}

function createSender(socket: WebSocket, onEvent: (event: Message) => void) {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  socket.on('message', (data) => {
    const message: Message = JSON.parse(String(data));
    if (message.id === undefined) return onEvent(message);
    const answer = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) answer?.resolve(message.result);
    else answer?.reject(new Error(JSON.stringify(message.error)));
  });
  let count = 0;
  return (method: string, params: object = {}): Promise<unknown> => {
    count += 1;
    const answer = Promise.withResolvers<unknown>();
    waiting.set(count, answer);
    socket.send(JSON.stringify({ id: count, method, params }));
    return answer.promise;
  };
}
