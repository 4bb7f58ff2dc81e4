import { setTimeout as delay } from 'node:timers/promises';

/**
 * Polls until the condition gives something true, and returns that. A condition that throws is not fulfilled yet. After
 * `timeoutMs` (10 s) it throws the message, with the condition's last error as the cause.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: { readonly message: string | (() => string); readonly timeoutMs?: number },
): Promise<T> {
  const { message, timeoutMs = 10_000 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let problem: unknown;
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > deadline) {
      const text = typeof message === 'function' ? message() : message;
      throw new Error(`waited ${timeoutMs} ms in vain: ${text}`, { cause: problem });
    }
    await delay(20);
  }
}
