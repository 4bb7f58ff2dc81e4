import { afterAll } from 'vitest';
import { runEndings } from './at-end.ts';

interface Task {
  readonly result?: { readonly state?: string };
  readonly tasks?: readonly Task[];
}

// biome-ignore lint/correctness/noEmptyPattern: vitest reads the pattern to learn which fixtures the hook wants
afterAll(async ({}, file) => {
  await runEndings({ hasFailed: hasFailed(file) });
});

function hasFailed(task: Task): boolean {
  return task.result?.state === 'fail' || (task.tasks ?? []).some(hasFailed);
}
