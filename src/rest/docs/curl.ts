import type { Operation } from '../openapi-parts.ts';

/** A command for a shell in which URL and the credentials are set, as the page says. */
export function curlOf(method: string, path: string, operation: Operation): string {
  const { parameters = [], requestBody, security } = operation;
  const at = path.replace(/\{(\w+)\}/g, (_, name: string) => `$${shellName(name)}`);
  const link = parameters.filter(({ name }) => name === 'expires' || name === 'signature');
  const query = link.map(({ name }) => `${name}=$${shellName(name)}`).join('&');
  const options = [
    path.endsWith('/events') && '-N',
    method !== 'get' && method !== 'post' && `-X ${method.toUpperCase()}`,
    method === 'post' && requestBody === undefined && '-X POST',
    security === undefined && (path.startsWith('/v2') ? '-H "Authorization: Bearer $TOKEN"' : keyPair),
    ...Object.entries(requestBody?.content ?? {}).flatMap(([type, { example }]) => bodyOptions(type, example)),
  ];
  const words = [`curl -sS "$URL${at}${query && `?${query}`}"`, ...options.filter((option) => option !== false)];
  return words.join(' \\\n  ');
}

const keyPair = '-H "X-App-Id: $APP_ID" -H "X-App-Token: $APP_TOKEN"';

function bodyOptions(type: string, example: unknown): string[] {
  if (type === 'application/json') {
    return ["-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(example))}`];
  }
  const fields = Object.entries(Object(example));
  if (type === 'multipart/form-data') {
    return fields.map(([name, value]) => (name === 'file' ? '-F file=@rows.csv' : `-F ${quote(`${name}=${value}`)}`));
  }
  return fields.map(([name, value]) => `--data-urlencode ${quote(`${name}=${value}`)}`);
}

/** `programId` is $PROGRAM_ID. */
function shellName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
