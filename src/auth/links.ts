import { createHmac, timingSafeEqual } from 'node:crypto';

/** Makes and checks links that let their holder download one file until they expire, without other credentials. */
export interface SignedLinks {
  /** The absolute URL of `path`. It lasts `seconds` to twice that, and is the same URL for `seconds`; or it lasts `until`. */
  sign(path: string, options?: { readonly now?: Date; readonly until?: Date }): string;
  /** True for the path and query of a link that was signed here and has not expired. */
  isValid(path: string, query: { readonly expires?: unknown; readonly signature?: unknown }, now?: Date): boolean;
}

export interface SignedLinkOptions {
  readonly secret: string;
  readonly seconds: number;
  /** Where clients reach the gateway; known only after it listens. */
  readonly publicUrl: () => string;
}

export function createSignedLinks(options: SignedLinkOptions): SignedLinks {
  const { secret, seconds } = options;
  const signatureOf = (path: string, expires: number) =>
    createHmac('sha256', secret).update(`link\n${path}\n${expires}`).digest('base64url');
  return {
    sign(path, { now = new Date(), until } = {}) {
      const rolling = (Math.floor(now.getTime() / 1000 / seconds) + 2) * seconds;
      const expires = until === undefined ? rolling : Math.ceil(until.getTime() / 1000);
      return `${options.publicUrl()}${path}?expires=${expires}&signature=${signatureOf(path, expires)}`;
    },
    isValid(path, query, now = new Date()) {
      const { expires, signature } = query;
      if (typeof expires !== 'string' || typeof signature !== 'string' || !/^\d{1,12}$/.test(expires)) return false;
      if (Number(expires) * 1000 < now.getTime()) return false;
      const expected = Buffer.from(signatureOf(path, Number(expires)));
      const given = Buffer.from(signature);
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}
