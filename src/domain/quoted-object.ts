import type { JsonObject } from '../db/json.ts';
import { checkJson } from '../json-text.ts';
import { jsonObject } from '../tasks/input.ts';

const object = jsonObject();

/** Reads a JSON object whose texts stand in single or double quotes, such as `{'color':'blue','ranking':1}`. A backslash
 *  escapes, as in JSON; `\'` is an apostrophe. Undefined when it is no such object. Throws BAD_USER_INPUT for a text that must not be
 *  parsed. */
export function readQuotedObject(text: string): JsonObject | undefined {
  const json = withDoubleQuotes(text);
  checkJson(json);
  try {
    return object.safeParse(JSON.parse(json)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Inside single quotes a double quote is an ordinary character, and must be escaped once the quotes are double. */
function withDoubleQuotes(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'/gs, (token, inside: string | undefined) =>
    inside === undefined
      ? token
      : `"${inside.replaceAll("\\'", "'").replaceAll(/(\\.)|"/gs, (_, escaped) => escaped ?? '\\"')}"`,
  );
}
