export type Ending = (file: { readonly hasFailed: boolean }) => Promise<void>;

const endings: Ending[] = [];

/** Runs when the tests of this file are through, the latest first: whatever a fixture opened is closed there at the latest. */
export function atEndOfFile(ending: Ending): void {
  endings.push(ending);
}

/** Runs every ending even if some fail, and then throws what failed. */
export async function runEndings(file: { readonly hasFailed: boolean }): Promise<void> {
  const problems: unknown[] = [];
  for (let ending = endings.pop(); ending !== undefined; ending = endings.pop()) {
    try {
      await ending(file);
    } catch (error) {
      problems.push(error);
    }
  }
  if (problems.length === 1) throw problems[0];
  if (problems.length > 1) throw new AggregateError(problems, problems.join('\n'));
}
