/** Multipart forms as text, for what no client sends: forms that break off, stall or come in pieces. */

const boundary = 'xxx';

export const multipartType = `multipart/form-data; boundary=${boundary}`;

/** A whole text field. */
export function fieldPart(name: string, value: string): string {
  return `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
}

/** The beginning of a file; its content follows. */
export function filePart(name = 'data', filename = 'a.csv'): string {
  return `--${boundary}\r\ncontent-disposition: form-data; name="${name}"; filename="${filename}"\r\n\r\n`;
}

/** The end of a form after a file's content. */
export const formEnd = `\r\n--${boundary}--\r\n`;

export async function textOf(stream: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
