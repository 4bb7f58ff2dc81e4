/** Longer waits are cut to this: proxies give up on an answer after a minute. */
export const longestWaitSeconds = 60;

/** The seconds of `Prefer: wait=N` (RFC 7240), as many as are granted; undefined without a valid one. The first one counts. */
export function readWait(header: string | string[] | undefined): number | undefined {
  for (const preference of [header ?? ''].flat().join(',').split(',')) {
    const [name = '', value = ''] = (preference.split(';', 1)[0] ?? '').split('=').map((part) => part.trim());
    if (name.toLowerCase() !== 'wait') continue;
    const seconds = /^"?(\d+)"?$/.exec(value)?.[1];
    return seconds === undefined ? undefined : Math.min(Number(seconds), longestWaitSeconds);
  }
  return undefined;
}
