/** An answer of ours, for the peers to repeat byte by byte. */
export interface Answer {
  readonly path: string;
  /** Names and values by turns, without those that node:http adds by itself. */
  readonly headers: readonly string[];
  readonly body: string;
}

export interface Answers {
  readonly running: Answer;
  readonly finished: Answer;
}

const addedByNode = ['date', 'connection', 'keep-alive'];

/** Reads the text of an answer. */
export function readAnswer(path: string, text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const headers = head
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(': ', 2))
    .filter(([name = '']) => !addedByNode.includes(name.toLowerCase()))
    .flat();
  return { path, headers, body };
}

/** What the peers answer, by the environment. */
export function givenAnswers(): Answers {
  return JSON.parse(process.env.ANSWERS ?? '');
}

/** Without a body. */
export function notModified({ headers }: Answer): string[] {
  return headers.filter((_, at) => !headers[at - (at % 2)]?.startsWith('content-'));
}
