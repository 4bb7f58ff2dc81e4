import { ClientError } from './errors.ts';

/** Nesting that no client needs; deeper values would overflow the stack of whoever walks them. */
const maxDepth = 64;

/** Throws BAD_USER_INPUT for a JSON text that must not be parsed: one that nests deeper than 64 levels, or has a key with a backslash. */
export function checkJson(text: string): void {
  let depth = 0;
  let backslash = text.indexOf('\\');
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === 0x22) {
      const end = endOfString(text, index);
      if (backslash !== -1 && backslash < index) backslash = text.indexOf('\\', index);
      if (backslash !== -1 && backslash < end) checkKey(text, index, end);
      index = end;
    }
    // `[` and `{`, then `]` and `}`: they differ in this bit alone.
    else if ((character | 0x20) === 0x7b) depth += 1;
    else if ((character | 0x20) === 0x7d) depth -= 1;
    if (depth > maxDepth) throw tooDeep();
  }
}

/** Once V8 has read a key with a backslash, it may take a later key with any escape for that one, in all requests of the process: issue
 *  63785 of nodejs/node. No key of ours has one, and metadata can do without. */
function checkKey(text: string, start: number, end: number): void {
  colon.lastIndex = end + 1;
  if (colon.test(text) && writtenBackslash.test(text.slice(start, end))) throw badKey();
}

const colon = /\s*:/y;
const writtenBackslash = /\\(?:\\|u005c)/i;

function badKey(): ClientError {
  const message = 'A key in the JSON holds a backslash, which is not taken';
  return new ClientError('BAD_USER_INPUT', message, { issues: [{ path: [], code: 'INVALID_KEY', message }] });
}

/** Where the string that begins at `start` ends; where it does not, beyond the text. */
function endOfString(text: string, start: number): number {
  let index = text.indexOf('"', start + 1);
  while (index >= 0 && isEscaped(text, index)) index = text.indexOf('"', index + 1);
  return index < 0 ? text.length : index;
}

/** By an odd number of backslashes; looked at once for each quote. */
function isEscaped(text: string, index: number): boolean {
  let before = index;
  while (text.charCodeAt(before - 1) === 0x5c) before -= 1;
  return (index - before) % 2 === 1;
}

function tooDeep(): ClientError {
  const message = `The JSON nests deeper than ${maxDepth} levels`;
  return new ClientError('BAD_USER_INPUT', message, { issues: [{ path: [], code: 'TOO_DEEP', message }] });
}
