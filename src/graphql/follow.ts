import { type Caller, unauthenticated } from '../auth/caller.ts';

/**
 * Passes a watch on until it ends or the subscriber leaves; when the caller's token expires, throws UNAUTHENTICATED. Aborts
 * the watch's signal then. Not a generator: its `return` has to take effect while a `next` is waiting.
 */
export function follow<Value>(
  watch: AsyncIterable<Value>,
  { abort, caller }: { readonly abort: AbortController; readonly caller: Caller },
): AsyncIterableIterator<Value, undefined> {
  const iterator = watch[Symbol.asyncIterator]();
  const isExpired = abortAtExpiry(caller, abort);
  let isOver = false;
  const end = (): { done: true; value: undefined } => {
    isOver = true;
    abort.abort();
    return { done: true, value: undefined };
  };
  return {
    async next() {
      if (isOver) return end();
      try {
        const result = await iterator.next();
        if (isExpired()) throw unauthenticated();
        return result.done === true ? end() : { done: false, value: result.value };
      } catch (error) {
        end();
        throw error;
      }
    },
    async return() {
      end();
      await iterator.return?.();
      return end();
    },
    async throw(error) {
      end();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Aborts when the caller's token expires, and tells whether that was why. */
function abortAtExpiry({ expiresAt }: Caller, abort: AbortController): () => boolean {
  if (expiresAt === null) return () => false;
  let isExpired = false;
  const expire = () => {
    isExpired = true;
    abort.abort();
  };
  const timer = setTimeout(expire, expiresAt.getTime() - Date.now());
  abort.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  if (abort.signal.aborted) clearTimeout(timer);
  return () => isExpired;
}
